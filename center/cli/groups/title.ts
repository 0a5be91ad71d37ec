/** `coffer-center title`: what is sold, and on which terms. */
import { Option } from 'commander'
import type { Program } from '../command.js'
import type { TermsChange } from '../../desk.js'
import { MAX_COPIES, MAX_EXPIRES_DAYS, MAX_PRICE_MINOR } from '../../orders/terms.js'
import {
  currencyCode,
  featureNames,
  integer,
  integerOr,
  minorUnits,
  numberOr,
  only,
  orNull
} from '../typed.js'

export function title({ group, show }: Program): void {
  const action = group(
    'title',
    'what is sold, and on which terms',
    '  coffer-center title shop\n  coffer-center title shop set org.example.hello --price 900 --copies 3'
  )
  action('list <folder>', 'the titles and their terms').action(folder =>
    show(commands => commands.listTitles(folder))
  )
  action('show <folder> <title>', 'all terms of one title').action((folder, titleId) =>
    show(commands => commands.showTitle(folder, titleId))
  )
  action('set <folder> <title>', 'change the terms of future sales')
    .option('--price <minor>', 'price of a copy in minor units: 900 is 9.00', minorUnits(MAX_PRICE_MINOR))
    .option('--currency <code>', 'three letters', currencyCode)
    .option('--copies <n>', 'media per user, or "unlimited"', integerOr('unlimited', 0, MAX_COPIES))
    .option(
      '--expires-days <n>',
      'how long a copy is bought for, or "never"',
      integerOr('never', 1, MAX_EXPIRES_DAYS)
    )
    .option(
      '--copies-in-all <n>',
      'copies of all users together, or "unlimited"',
      integerOr('unlimited', 0, MAX_COPIES)
    )
    .option(
      '--renew-price <minor>',
      'price of another such time, or "none": not renewable',
      numberOr('none', minorUnits(MAX_PRICE_MINOR))
    )
    .option(
      '--grace-days <n>',
      'how long it goes on running and can be renewed after its end',
      integer(0, MAX_EXPIRES_DAYS)
    )
    .option(
      '--trial-days <n>',
      'may be tried for nothing, once per user; or "none"',
      integerOr('none', 1, MAX_EXPIRES_DAYS)
    )
    .option('--features <names>', 'what a copy has beyond the title: a,b,c; or "none"', featureNames)
    .option(
      '--refund-days <n>',
      'a return is paid back within this time of its payment; or "none"',
      integerOr('none', 0, MAX_EXPIRES_DAYS)
    )
    .addOption(
      new Option('--transfer <whom>', 'no; media: to another medium of its user; users: to anyone').choices([
        'no',
        'media',
        'users'
      ])
    )
    .addOption(new Option('--bearer <choice>', 'may be bound to the medium alone').choices(['yes', 'no']))
    .action((folder, titleId, options) => {
      const { price, currency, copies, expiresDays, bearer } = options
      const change: TermsChange = {
        ...only(options, 'graceDays', 'trialDays', 'refundDays', 'transfer', 'features'),
        ...(options.copiesInAll !== undefined && { titleCopies: orNull(options.copiesInAll) }),
        ...(options.renewPrice !== undefined && { renewPriceMinor: orNull(options.renewPrice) }),
        ...(price !== undefined && { priceMinor: price }),
        ...(currency !== undefined && { currency }),
        ...(copies !== undefined && { copies: orNull(copies) }),
        ...(expiresDays !== undefined && { expiresDays: orNull(expiresDays) }),
        ...(bearer !== undefined && { bearerAllowed: bearer === 'yes' })
      }
      return show(commands => commands.setTerms(folder, titleId, change))
    })
}

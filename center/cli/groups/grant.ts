/** `coffer-center grant`: who holds which copy. */
import type { Program } from '../command.js'
import type { Gift } from '../../desk.js'
import { MAX_COPIES, MAX_EXPIRES_DAYS, MAX_PRICE_MINOR } from '../../orders/terms.js'
import { featureNames, integer, minorUnits } from '../typed.js'

export function grant({ group, show }: Program): void {
  const action = group(
    'grant',
    'who holds which copy',
    '  coffer-center grant shop list --user 4f1d9a\n  coffer-center grant shop give org.example.hello 4f1d9a --copies 2'
  )
  action('list <folder>', 'the copies')
    .option('--user <user>', "one user's")
    .action((folder, { user: id }) => show(commands => commands.listGrants(folder, id)))
  action('show <folder> <grant>', 'one copy').action((folder, id) =>
    show(commands => commands.showGrant(folder, id))
  )
  action('refund <folder> <grant>', 'end a copy and pay back what was paid for it').action((folder, id) =>
    show(commands => commands.refundGrant(folder, id))
  )
  action('revoke <folder> <grant>', 'end a copy and pay nothing back').action((folder, id) =>
    show(commands => commands.revokeOne(folder, 'grant', id, null))
  )
  action('give <folder> <title> <user>', 'terms of their own for one user: id, or public key')
    .option('--price <minor>', 'price of a copy in minor units: 900 is 9.00', minorUnits(MAX_PRICE_MINOR), 0)
    .option('--copies <n>', 'how many media (default: as for everyone)', integer(0, MAX_COPIES))
    .option('--expires-days <n>', 'for how long (default: as for everyone)', integer(1, MAX_EXPIRES_DAYS))
    .option('--features <names>', 'what it has beyond the title (default: as for everyone)', featureNames)
    .action((folder, titleId, id, { price, copies, expiresDays, features }) => {
      const gift: Gift = {
        priceMinor: price,
        copies: copies ?? null,
        expiresDays: expiresDays ?? null,
        features: features ?? null
      }
      return show(commands => commands.giveTitle(folder, titleId, id, gift))
    })
}

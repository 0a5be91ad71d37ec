/** `coffer-center ledger`: what was charged, and paid. */
import type { Program } from '../command.js'
import { amountOf, providerName, referenceOf } from '../typed.js'

export function ledger({ group, show }: Program): void {
  const action = group(
    'ledger',
    'what was charged, and paid',
    '  coffer-center ledger shop\n  coffer-center ledger shop paid 4f1d9a 9.00EUR invoice-17'
  )
  action('show <folder>', 'the balances').action(folder => show(commands => commands.showLedger(folder)))
  action('paid <folder> <user> <amount> <reference>', 'post a payment that no provider told of')
    .option('--back', 'the user had it back')
    .option('--by <provider>', 'the provider that it moved by, such as stripe', providerName)
    .action((folder, id, typed, reference, { back, by }) =>
      show(commands =>
        commands.postPayment(folder, id, amountOf(typed), referenceOf(reference), back ?? false, by)
      )
    )
  action('verify <folder>', 'hold the ledger against the grants and the signed answers').action(folder =>
    show(commands => commands.verifyLedger(folder))
  )
}

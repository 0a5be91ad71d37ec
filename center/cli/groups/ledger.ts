/** `coffer-center ledger`: what was charged. */
import type { Program } from '../command.js'

export function ledger({ group, show }: Program): void {
  const action = group(
    'ledger',
    'what was charged',
    '  coffer-center ledger shop\n  coffer-center ledger shop verify'
  )
  action('show <folder>', 'the balances').action(folder => show(commands => commands.showLedger(folder)))
  action('verify <folder>', 'hold the ledger against the grants and the signed answers').action(folder =>
    show(commands => commands.verifyLedger(folder))
  )
}

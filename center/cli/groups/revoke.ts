/** `coffer-center revoke`: what is taken back. */
import type { Program } from '../command.js'
import { REVOCATION_KINDS, type RevocationKind } from '../../orders/revoke.js'
import { integer } from '../typed.js'

/** What revoking one kind reaches beyond what its name says. */
const MORE: Readonly<Partial<Record<RevocationKind, string>>> = {
  title: ' for ever: every release, later ones too, unless one is named'
}

export function revoke({ group, show }: Program): void {
  const action = group(
    'revoke',
    'take back what was granted; raises the number of the revocation list',
    '  coffer-center revoke shop user 4f1d9a\n  coffer-center revoke shop title org.example.hello --release 1'
  )
  action('list <folder>', 'what is revoked').action(folder =>
    show(commands => commands.listRevocations(folder))
  )
  action('export <folder> <file>', 'the newest list and the root records, for a master').action(
    (folder, file) => show(commands => commands.exportRevocations(folder, file))
  )
  action('fold <folder>', 'make the list short now: it happens by itself with every thousandth copy').action(
    folder => show(commands => commands.foldRevocations(folder))
  )
  action('renumber <folder>', 'after a backup was put back: go past every list that buyers have seen').action(
    folder => show(commands => commands.renumberRevocations(folder))
  )
  action('key <folder> <id>', 'what this signing key of the center signed counts no more').action(
    (folder, id) => show(commands => commands.revokeKey(folder, id))
  )
  for (const kind of REVOCATION_KINDS) {
    const one = action(`${kind} <folder> <id>`, `take back a ${kind}${MORE[kind] ?? ''}`)
    if (kind === 'title') one.option('--release <n>', 'this release alone', integer(1, 0xffffffff))
    one.action((folder, id, { release }) =>
      show(commands => commands.revokeOne(folder, kind, id, release ?? null))
    )
  }
}

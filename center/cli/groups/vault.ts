/** `coffer-center vault`: what opens the vault. */
import type { Program } from '../command.js'

export function vault({ group, show }: Program): void {
  const action = group(
    'vault',
    'what opens the vault',
    '  coffer-center vault shop lock --key-file /media/usb/shop.key\n  COFFER_VAULT_NEW_PASSPHRASE=... coffer-center vault shop lock'
  )
  action('show <folder>', 'how it is locked').action(folder => show(commands => commands.showVault(folder)))
  action('lock <folder>', 'lock it by a passphrase, or by a key file that this makes')
    .option('--key-file <file>', 'where to make it: not in the folder of the center')
    .action((folder, { keyFile }) =>
      show(commands =>
        commands.lockVault(
          folder,
          keyFile === undefined ? { kind: 'passphrase' } : { kind: 'key-file', path: keyFile }
        )
      )
    )
  action('unlock <folder>', 'nothing opens it any more but the right to read it').action(folder =>
    show(commands => commands.lockVault(folder, { kind: 'open' }))
  )
}

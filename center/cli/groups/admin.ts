/** `coffer-center admin`: whose keys may do the rest from afar. */
import type { Program } from '../command.js'

export function admin({ group, show }: Program): void {
  const action = group(
    'admin',
    'whose keys may do the rest from afar, by signed requests',
    '  coffer-center admin shop add <public key> --name ann\n  coffer-center admin shop remove 4f1d9a'
  )
  action('list <folder>', 'the admins').action(folder => show(commands => commands.listAdmins(folder)))
  action('add <folder> <public-key>', 'let a key in; it is what "coffer keygen --publisher" printed')
    .option('--name <name>', 'how you call whoever has it')
    .action((folder, key, { name }) => show(commands => commands.addAdmin(folder, key, name)))
  action('remove <folder> <admin>', 'by its public key or id: its requests are refused from now on').action(
    (folder, id) => show(commands => commands.removeAdmin(folder, id))
  )
}

/** `coffer-center publisher`: who may press. */
import type { Program } from '../command.js'

export function publisher({ group, show }: Program): void {
  const action = group(
    'publisher',
    'who may press titles',
    '  coffer-center publisher shop add <public key> --name "Example Press"\n  coffer-center publisher shop list'
  )
  action('list <folder>', 'the publishers').action(folder =>
    show(commands => commands.listPublishers(folder))
  )
  action('add <folder> <public-key>', 'let a publisher press; the key is what "coffer keygen" printed')
    .option('--name <name>', 'what buyers see')
    .action((folder, key, { name }) => show(commands => commands.addPublisher(folder, key, name)))
}

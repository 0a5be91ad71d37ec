/** `coffer-center rotate`: the center's own keys over time. */
import type { Program } from '../command.js'

export function rotate({ group, show }: Program): void {
  const action = group(
    'rotate',
    "the center's own keys over time; media go on running",
    '  coffer-center rotate shop\n  coffer-center rotate shop key\n  coffer-center rotate shop retire 4f1d9a'
  )
  action('list <folder>', 'the keys').action(folder => show(commands => commands.listKeys(folder)))
  action('key <folder>', 'a new signing key; what older ones signed goes on counting').action(folder =>
    show(commands => commands.rotateKey(folder))
  )
  action('epoch <folder>', 'new masters, for media that have no copy yet').action(folder =>
    show(commands => commands.rotateEpoch(folder))
  )
  action('retire <folder> <key>', 'destroy the private half of an older signing key').action((folder, key) =>
    show(commands => commands.retireKey(folder, key))
  )
}

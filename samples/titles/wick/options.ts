/** The title's own arguments, after `--` on the command line. */

export interface Options {
  readonly help: boolean
  /** Begin anew, whatever is saved. */
  readonly fresh: boolean
  readonly seed: number | null
  /** Keys to play instead of those of a terminal; see {@link parseKeys}. */
  readonly keys: string | null
  readonly colours: boolean
}

export const USAGE = `Wick, a descent by candlelight.

  --new             begin a new game, whatever is saved
  --seed <number>   begin the new game that this number stands for, 1 to 4294967295
  --keys <script>   play these keys without a screen, save, and print how the game stands;
                    named keys in braces, as in 'oo{down}>i{escape}'
  --plain           no colours
  --help            this text

While playing, ? shows the keys. The game is saved on every new floor and when you leave it with q.`

/** @returns the options, or one sentence about what is wrong with them. */
export function parseOptions(args: readonly string[]): Options | string {
  let help = false
  let fresh = false
  let seed: number | null = null
  let keys: string | null = null
  let colours = true
  for (let index = 0; index < args.length; index++) {
    const [name, inline] = splitOption(args[index]!)
    const value = (): string | undefined => inline ?? args[++index]
    if (name === '--help' || name === '-h') help = true
    else if (name === '--new') fresh = true
    else if (name === '--plain') colours = false
    else if (name === '--keys') {
      const script = value()
      if (script === undefined) return '--keys needs a script of keys.'
      keys = script
    } else if (name === '--seed') {
      const digits = value() ?? ''
      seed = Number(digits)
      if (!/^[0-9]{1,10}$/.test(digits) || seed < 1 || seed > 0xffffffff) {
        return '--seed needs a whole number from 1 to 4294967295.'
      }
    } else return `Unknown option ${name}.`
  }
  return { help, fresh: fresh || seed !== null, seed, keys, colours }
}

/** '--seed=7' is '--seed' '7'. */
function splitOption(arg: string): [name: string, value: string | undefined] {
  const equals = arg.indexOf('=')
  return equals > 0 ? [arg.slice(0, equals), arg.slice(equals + 1)] : [arg, undefined]
}

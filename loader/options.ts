/** What an app hands over, checked where a slip would be without effect, or end in a failure that names something else. */
import { CofferError } from '../formats/errors.js'
import { Home } from './home.js'
import { nearest } from './suggest.js'

/** @throws CofferError COFFER_USAGE for what is no text, or an empty one. */
export function checkText(value: unknown, call: string, expected: string): void {
  if (typeof value === 'string' && value !== '') return
  throw new CofferError('COFFER_USAGE', `${call} needs ${expected}.`, {
    expected,
    found: value === '' ? 'an empty text' : String(value === null ? null : typeof value),
    hint: 'See docs/hosts.md for how it is called.'
  })
}

/** @throws CofferError COFFER_USAGE for an option that there is not. */
export function checkOptions(options: unknown, call: string, known: readonly string[]): void {
  if (options === undefined) return
  if (typeof options !== 'object' || options === null) {
    throw new CofferError('COFFER_USAGE', `${call} takes options as an object.`, {
      expected: `an object with some of ${known.join(', ')}`,
      found: String(options === null ? null : typeof options),
      hint: 'See docs/hosts.md for its options.'
    })
  }
  const unknown = Object.keys(options).find(name => !known.includes(name))
  if (unknown === undefined) return
  const near = nearest(unknown, known)
  throw new CofferError('COFFER_USAGE', `${call} has no option "${unknown}".`, {
    expected: known.join(', '),
    found: unknown,
    hint: `${near === undefined ? '' : `Did you mean "${near}"? `}See docs/hosts.md for its options.`
  })
}

/**
 * What the functions of `coffer/copier` are called with.
 *
 * @param texts - By what each is.
 * @param known - Every option that there is.
 * @throws CofferError COFFER_USAGE
 */
export function checkCall(
  call: string,
  texts: Readonly<Record<string, unknown>>,
  options: unknown,
  known: Readonly<Record<string, true>>
): void {
  for (const [what, value] of Object.entries(texts)) checkText(value, call, what)
  checkOptions(options ?? null, call, Object.keys(known))
  const { home } = options as { readonly home?: unknown }
  if (home instanceof Home) return
  throw new CofferError('COFFER_USAGE', `${call} needs a Home.`, {
    expected: 'new Home(), or new Home(folder), as "home"',
    found: String(home === null ? null : typeof home),
    hint: 'See docs/hosts.md for how it is called.'
  })
}

/** The arguments of such calls in words. */
export const MASTER = 'a master, or a medium that has the title'
export const MEDIUM = 'the folder of a medium'
export const TITLE = 'the id of a title'

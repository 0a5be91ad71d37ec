/** What an app hands over, checked where a slip would be without effect, or end in a failure that names something else. */
import { CofferError } from '../formats/errors.js'
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
export function checkOptions(options: object | undefined, call: string, known: readonly string[]): void {
  const unknown = Object.keys(options ?? {}).find(name => !known.includes(name))
  if (unknown === undefined) return
  const near = nearest(unknown, known)
  throw new CofferError('COFFER_USAGE', `${call} has no option "${unknown}".`, {
    expected: known.join(', '),
    found: unknown,
    hint: `${near === undefined ? '' : `Did you mean "${near}"? `}See docs/hosts.md for its options.`
  })
}

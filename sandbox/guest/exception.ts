/** DOMException (Web IDL), which the web's APIs throw. */
import { define, tag } from './globals.js'

/** Names that still have a number. */
const CODES = [
  '',
  'IndexSizeError',
  '',
  'HierarchyRequestError',
  'WrongDocumentError',
  'InvalidCharacterError',
  '',
  'NoModificationAllowedError',
  'NotFoundError',
  'NotSupportedError',
  'InUseAttributeError',
  'InvalidStateError',
  'SyntaxError',
  'InvalidModificationError',
  'NamespaceError',
  'InvalidAccessError',
  '',
  'TypeMismatchError',
  'SecurityError',
  'NetworkError',
  'AbortError',
  'URLMismatchError',
  'QuotaExceededError',
  'TimeoutError',
  'InvalidNodeTypeError',
  'DataCloneError'
]

export class DOMException extends Error {
  constructor(message = '', name = 'Error') {
    super(message)
    define(this, 'name', `${name}`)
  }

  get code(): number {
    return this.name === '' ? 0 : Math.max(CODES.indexOf(this.name), 0)
  }
}
tag(DOMException, 'DOMException')

for (const [code, name] of CODES.entries()) {
  if (name === '') continue
  // 'IndexSizeError' is INDEX_SIZE_ERR.
  const constant = name
    .replace(/Error$/, 'Err')
    .replace(/(?<=[a-z])(?=[A-Z])|(?<=URL)/g, '_')
    .toUpperCase()
  const property = { value: code, enumerable: true }
  Object.defineProperty(DOMException, constant, property)
  Object.defineProperty(DOMException.prototype, constant, property)
}

/**
 * Values as text for people, laid out as Node's console does it (its `util.inspect` with default options), so that
 * what an author sees is the same under `node main.js` and in the sandbox. Runs no getters.
 */

const WIDTH = 80
const MAX_DEPTH = 2
const MAX_ITEMS = 100
/** Elements of an array beside which named properties are looked for. */
const MAX_INDICES = 10_000
const MAX_TEXT = 10_000

interface State {
  /** Objects being shown, outermost first. */
  readonly path: object[]
  /** Objects that are met again inside themselves, numbered. */
  readonly circular: Map<object, number>
  indentation: number
  /** Depth of the object shown last. */
  innermost: number
  readonly maxDepth: number
}

export const inspect = (value: unknown, maxDepth = MAX_DEPTH): string =>
  show(value, { path: [], circular: new Map(), indentation: 0, innermost: 0, maxDepth })

/** console.log's arguments as one text: a format when the first is one, values apart by spaces. */
export function format(args: readonly unknown[]): string {
  const [first] = args
  if (args.length === 1) return typeof first === 'string' ? first : inspect(first)
  let used = 0
  let text = ''
  if (typeof first === 'string') {
    used = 1
    text = first.replace(/%[sdifjoOc%]/g, directive => {
      if (directive === '%%') return '%'
      if (used >= args.length) return directive
      return formatOne(directive, args[used++])
    })
  }
  for (; used < args.length; used++) {
    const value = args[used]
    text += (used === 0 ? '' : ' ') + (typeof value === 'string' ? value : inspect(value))
  }
  return text
}

function formatOne(directive: string, value: unknown): string {
  switch (directive) {
    case '%s':
      if (typeof value === 'string') return value
      if (typeof value === 'bigint') return `${value}n`
      if (Object.is(value, -0)) return '-0'
      if (typeof value !== 'object' || value === null) return String(value)
      return hasOwnText(value) ? String(value) : inspect(value, 0)
    case '%d':
      return typeof value === 'bigint'
        ? `${value}n`
        : typeof value === 'symbol'
          ? 'NaN'
          : numberText(Number(value))
    case '%i':
      return typeof value === 'bigint'
        ? `${value}n`
        : typeof value === 'symbol'
          ? 'NaN'
          : numberText(parseInt(value as string))
    case '%f':
      return typeof value === 'symbol' ? 'NaN' : numberText(parseFloat(value as string))
    case '%j':
      try {
        return JSON.stringify(value)
      } catch {
        return '[Circular]'
      }
    case '%o':
      return inspect(value, 4)
    case '%O':
      return inspect(value)
    default: // %c: styles, which a terminal has none of
      return ''
  }
}

/** Does the object bring a toString of the program's own? */
function hasOwnText(value: object): boolean {
  if (value instanceof Error) return true
  const { toString } = value as { toString?: unknown }
  return typeof toString === 'function' && toString !== Object.prototype.toString && !isBuiltIn(value)
}

const isBuiltIn = (value: object): boolean =>
  Array.isArray(value) || value instanceof Date || value instanceof RegExp || ArrayBuffer.isView(value)

const numberText = (value: number): string => (Object.is(value, -0) ? '-0' : String(value))

function show(value: unknown, state: State): string {
  switch (typeof value) {
    case 'string':
      return showText(value, state)
    case 'number':
      return numberText(value)
    case 'bigint':
      return `${value}n`
    case 'object':
      return value === null ? 'null' : showObject(value, state)
    case 'function':
      return showObject(value, state)
    default:
      return String(value)
  }
}

const ESCAPES: Record<string, string> = {
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\f': '\\f',
  '\r': '\\r',
  '\\': '\\\\'
}

/** In the quotes that need the least escaping. */
function quote(text: string): string {
  const mark = !text.includes("'")
    ? "'"
    : !text.includes('"')
      ? '"'
      : !text.includes('`') && !text.includes('${')
        ? '`'
        : "'"
  const escaped = text.replace(
    /[\x00-\x1f\x7f-\x9f\\']|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
    char => {
      if (char === "'") return mark === "'" ? "\\'" : char
      const code = char.charCodeAt(0)
      if (code >= 0xd800) return `\\u${code.toString(16)}`
      return ESCAPES[char] ?? `\\x${code.toString(16).toUpperCase().padStart(2, '0')}`
    }
  )
  return mark + escaped + mark
}

function showText(text: string, state: State): string {
  let rest = ''
  if (text.length > MAX_TEXT) {
    const more = text.length - MAX_TEXT
    rest = `... ${more} more character${more > 1 ? 's' : ''}`
    text = text.slice(0, MAX_TEXT)
  }
  // Long text breaks at its newlines.
  if (text.length > 16 && text.length > WIDTH - state.indentation - 4) {
    const lines = text.split(/(?<=\n)/)
    return lines.map(quote).join(` +\n${' '.repeat(state.indentation + 2)}`) + rest
  }
  return quote(text) + rest
}

/** How one kind of object is written: `base` before the brackets, `entries` within them. */
interface Shape {
  /** Stands alone when there is nothing to put in brackets. */
  readonly base: string
  readonly open: string
  readonly close: string
  /** What stands for it below the greatest depth. */
  readonly brief: string
  /** Entries are laid out in columns when there are many. */
  readonly columns?: boolean
  /** Own keys that `entries` shows already, or that are no news. */
  readonly hidden?: (key: PropertyKey) => boolean
  readonly entries?: (state: State) => string[]
  /** How many entries there are, shown or not. */
  readonly size?: number
}

function showObject(value: object, state: State): string {
  if (state.path.includes(value)) {
    if (!state.circular.has(value)) state.circular.set(value, state.circular.size + 1)
    return `[Circular *${state.circular.get(value)}]`
  }
  const shape = shapeOf(value, state)
  const depth = state.path.length
  if (shape.size || visibleKeys(value, shape).length > 0) {
    if (depth > state.maxDepth && shape.brief !== '') return `[${shape.brief}]`
    state.innermost = depth
  }
  state.path.push(value)
  const own = [...(shape.entries?.(state) ?? []), ...fieldsOf(value, shape, state)]
  state.path.pop()

  const reference = state.circular.has(value) ? `<ref *${state.circular.get(value)}> ` : ''
  const { base, close } = shape
  if (own.length === 0) return reference + (base === '' ? shape.open + close : base)
  const open = reference + (base === '' ? '' : `${base} `) + shape.open
  const lines = shape.columns && own.length > 6 ? inColumns(own, value, state) : own
  // One line where it fits, and where no more than three levels would share it.
  if (state.innermost - depth < 3 && lines === own) {
    const length = own.reduce((sum, entry) => sum + entry.length, 2 * own.length)
    const fits = length + state.indentation + shape.open.length + base.length + 10 <= WIDTH
    const line = own.join(', ')
    if (fits && !line.includes('\n') && !base.includes('\n')) return `${open} ${line} ${close}`
  }
  const margin = `\n${' '.repeat(state.indentation)}`
  return `${open}${margin}  ${lines.join(`,${margin}  `)}${margin}${close}`
}

/** Run with entries moved in by one level. */
function inner(state: State, show: () => string): string {
  state.indentation += 2
  const text = show()
  state.indentation -= 2
  return text
}

function visibleKeys(value: object, shape: Shape): (string | symbol)[] {
  // The list of its indices would take many times the memory of the array.
  if (shape.hidden === isIndex && shape.size! > MAX_INDICES) return []
  return Reflect.ownKeys(value).filter(key => {
    if (shape.hidden?.(key)) return false
    const shown = Object.getOwnPropertyDescriptor(value, key)?.enumerable
    return shown || (key === 'cause' && value instanceof Error)
  })
}

function fieldsOf(value: object, shape: Shape, state: State): string[] {
  const fields: string[] = []
  for (const key of visibleKeys(value, shape)) {
    const property = Object.getOwnPropertyDescriptor(value, key)!
    const bare =
      typeof key === 'symbol' ? `[${String(key)}]` : /^[A-Za-z_$][\w$]*$/.test(key) ? key : quote(key)
    const name = property.enumerable ? bare : `[${bare}]`
    fields.push(
      `${name}: ${'value' in property ? inner(state, () => show(property.value, state)) : accessor(property)}`
    )
  }
  return fields
}

const accessor = ({ get, set }: PropertyDescriptor): string =>
  get === undefined ? '[Setter]' : set === undefined ? '[Getter]' : '[Getter/Setter]'

/** The class the object shows as: its constructor's name; '' for none, that is a null prototype. */
function classOf(value: object): string {
  for (let owner = value; owner !== null; owner = Object.getPrototypeOf(owner)) {
    const property = Object.getOwnPropertyDescriptor(owner, 'constructor')
    // SES keeps the data properties of frozen prototypes behind accessors, so that they can be overridden.
    const constructor = property?.get && !property.configurable ? property.get.call(owner) : property?.value
    if (
      typeof constructor === 'function' &&
      typeof constructor.name === 'string' &&
      constructor.name !== ''
    ) {
      return constructor.name
    }
  }
  return ''
}

const isIndex = (key: PropertyKey): boolean => typeof key === 'string' && /^(0|[1-9]\d*)$/.test(key)

function shapeOf(value: object, state: State): Shape {
  const name = classOf(value)
  const { [Symbol.toStringTag]: tagged } = value as { [Symbol.toStringTag]?: unknown }
  const tag = typeof tagged === 'string' && tagged !== '' && tagged !== name ? ` [${tagged}]` : ''
  /** `Name(size) ` before a bracket, or nothing where the plain kind says it all. */
  const prefix = (plain: string, size?: number) => {
    const count = size === undefined ? '' : `(${size})`
    return (name === '' ? `[${plain}${count}: null prototype]` : name + count) + tag + ' '
  }

  if (Array.isArray(value)) {
    const open = name === 'Array' && tag === '' ? '[' : `${prefix('Array', value.length)}[`
    const entries = (inside: State) => arrayEntries(value, inside)
    return {
      base: '',
      open,
      close: ']',
      brief: name === '' ? 'Array' : name,
      columns: true,
      hidden: isIndex,
      size: value.length,
      entries
    }
  }
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    const list = value as Uint8Array
    const open = `${prefix('TypedArray', list.length)}[`
    const entries = () => {
      const shown = Array.prototype.slice.call(list, 0, MAX_ITEMS).map(item => show(item, state))
      return more(shown, list.length)
    }
    return {
      base: '',
      open,
      close: ']',
      brief: name,
      columns: true,
      hidden: isIndex,
      size: list.length,
      entries
    }
  }
  if (value instanceof Map) {
    const entries = (inside: State) => {
      const shown: string[] = []
      for (const [key, item] of value) {
        if (shown.length === MAX_ITEMS) break
        shown.push(inner(inside, () => `${show(key, inside)} => ${show(item, inside)}`))
      }
      return more(shown, value.size)
    }
    return {
      base: '',
      open: `${prefix('Map', value.size)}{`,
      close: '}',
      brief: name,
      size: value.size,
      entries
    }
  }
  if (value instanceof Set) {
    const entries = (inside: State) => {
      const shown: string[] = []
      for (const item of value) {
        if (shown.length === MAX_ITEMS) break
        shown.push(inner(inside, () => show(item, inside)))
      }
      return more(shown, value.size)
    }
    return {
      base: '',
      open: `${prefix('Set', value.size)}{`,
      close: '}',
      brief: name,
      size: value.size,
      entries
    }
  }
  const braces = { open: '{', close: '}', brief: '' }
  if (typeof value === 'function') return { ...braces, base: functionText(value, name, tag) }
  if (value instanceof Error) {
    const hidden = (key: PropertyKey) =>
      key === 'stack' || key === 'message' || (key === 'name' && typeof value.name === 'string')
    return { ...braces, base: errorText(value, state), hidden }
  }
  if (value instanceof Date) {
    return { ...braces, base: Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString() }
  }
  if (value instanceof RegExp) return { ...braces, base: String(value), hidden: key => key === 'lastIndex' }
  if (value instanceof ArrayBuffer) {
    const bytes = [...new Uint8Array(value, 0, Math.min(50, value.byteLength))]
    const rest =
      value.byteLength > 50
        ? ` ... ${value.byteLength - 50} more byte${value.byteLength > 51 ? 's' : ''}`
        : ''
    const contents = `[Uint8Contents]: <${bytes.map(byte => byte.toString(16).padStart(2, '0')).join(' ')}${rest}>`
    const entries = () => [contents, `byteLength: ${value.byteLength}`]
    return { base: '', open: `${prefix('ArrayBuffer')}{`, close: '}', brief: name, entries }
  }
  if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet) {
    // What a promise holds is not for scripts to see.
    const entries = () => [value instanceof Promise ? '<unknown>' : '<items unknown>']
    return { base: '', open: `${prefix('Promise')}{`, close: '}', brief: name, entries }
  }
  for (const Primitive of [String, Number, Boolean, Symbol, BigInt]) {
    if (!(value instanceof Primitive)) continue
    const primitive = value.valueOf()
    const hidden = (key: PropertyKey) => typeof primitive === 'string' && (isIndex(key) || key === 'length')
    return { ...braces, base: `[${Primitive.name}: ${show(primitive, state)}]`, hidden }
  }
  if (name === 'Object' && tag === '') return { base: '', open: '{', close: '}', brief: 'Object' }
  const brief = name === '' ? 'Object: null prototype' : name + tag
  return { base: '', open: `${prefix('Object')}{`, close: '}', brief }
}

function functionText(value: Function, name: string, tag: string): string {
  const text = Function.prototype.toString.call(value)
  const own = Object.getOwnPropertyDescriptor(value, 'name')?.value
  if (text.startsWith('class') && text.endsWith('}')) {
    const parent = Object.getPrototypeOf(value)
    const extended = typeof parent === 'function' && parent.name ? ` extends ${parent.name}` : ''
    return `[class ${own ? own : '(anonymous)'}${extended}]`
  }
  const kind = name === '' ? 'Function' : name
  return `[${kind}${own ? `: ${own}` : ' (anonymous)'}]${tag}`
}

/** The stack under the error's own first line, indented to where it stands; in brackets when there is no stack. */
function errorText(error: Error, state: State): string {
  const name = typeof error.name === 'string' && error.name !== '' ? error.name : 'Error'
  const message = typeof error.message === 'string' ? error.message : ''
  const head = message === '' ? name : `${name}: ${message}`
  const stack = typeof error.stack === 'string' ? error.stack : ''
  // V8 begins the stack with the head, QuickJS does not; frames of the sandbox itself are no news to anyone.
  const frames = stack
    .split('\n')
    .filter(line => /^\s*at /.test(line) && !/\(coffer:|\(native|ses-child/.test(line))
  if (frames.length === 0) return `[${head}]`
  const text = [head, ...frames.map(frame => `    ${frame.trim()}`)].join('\n')
  return text.replaceAll('\n', `\n${' '.repeat(state.indentation)}`)
}

function arrayEntries(list: readonly unknown[], state: State): string[] {
  const shown: string[] = []
  let index = 0
  while (index < list.length && shown.length < MAX_ITEMS) {
    if (Object.hasOwn(list, index)) {
      const { value, get, set } = Object.getOwnPropertyDescriptor(list, index)!
      shown.push(
        inner(state, () => (get || set ? accessor({ get, set } as PropertyDescriptor) : show(value, state)))
      )
      index++
    } else {
      const start = index
      while (index < list.length && !Object.hasOwn(list, index)) index++
      shown.push(`<${index - start} empty item${index - start > 1 ? 's' : ''}>`)
    }
  }
  return more(shown, shown.length + list.length - index)
}

function more(shown: string[], total: number): string[] {
  const rest = total - shown.length
  if (rest > 0) shown.push(`... ${rest} more item${rest > 1 ? 's' : ''}`)
  return shown
}

/** Many short entries as a table, as near to a square on the screen as they allow. */
function inColumns(entries: string[], value: object, state: State): string[] {
  const last = entries.at(-1)!.startsWith('... ') ? entries.length - 1 : entries.length
  const cells = entries.slice(0, last)
  const widths = cells.map(cell => cell.length)
  const widest = Math.max(...widths) + 2
  const total = widths.reduce((sum, width) => sum + width + 2, 0)
  if (widest * 3 + state.indentation >= WIDTH || (total / widest <= 5 && widest > 8)) return entries
  // A character is about two and a half times as high as wide; uneven widths waste room, which the bias gives back.
  const biased = Math.max(widest - 3 - Math.sqrt(widest - total / entries.length), 1)
  const columns = Math.min(
    Math.round(Math.sqrt(2.5 * biased * last) / biased),
    Math.floor((WIDTH - state.indentation) / widest),
    12,
    15
  )
  if (columns <= 1) return entries
  const columnWidths = Array.from({ length: columns }, (_, column) =>
    Math.max(...widths.filter((_width, index) => index % columns === column))
  )
  const list = value as ArrayLike<unknown>
  const numeric = cells.every(
    (_, index) => typeof list[index] === 'number' || typeof list[index] === 'bigint'
  )
  const rows: string[] = []
  for (let start = 0; start < last; start += columns) {
    const row = cells.slice(start, start + columns).map((cell, column, all) => {
      const end = column === all.length - 1
      if (numeric) return cell.padStart(columnWidths[column]!) + (end ? '' : ', ')
      return end ? cell : `${cell}, `.padEnd(columnWidths[column]! + 2)
    })
    rows.push(row.join(''))
  }
  return [...rows, ...entries.slice(last)]
}

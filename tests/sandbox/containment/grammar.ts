/**
 * Programs of nasty operations, out of a grammar: values that lie, hooks on everything, and the ways out. The grammar
 * keeps to what both engines promise alike: nothing that changes built-in prototypes (frozen under SES), no limits.
 */
export interface Grammar {
  below(bound: number): number
  pick<Item>(items: readonly Item[]): Item
}

export function program(grammar: Grammar): string {
  const statements = Array.from(
    { length: 1 + grammar.below(3) },
    (_, i) => `const v${i} = ${expression(grammar, 3)}`
  )
  const names = statements.map((_, i) => `v${i}`)
  return `${statements.join('; ')}; ${grammar.pick(ENDS).replaceAll('$', () => grammar.pick(names))}`
}

const ENDS = [
  'return $',
  'return [$, $]',
  'return { a: $ }',
  'return host.echo($)',
  'return await host.later($)',
  'return [typeof $, Array.isArray($)]',
  'throw $',
  'try { return host.echo($) } catch (e) { return [e.name] }',
  'try { host.fail($) } catch (e) { return [e.name, e.message, e instanceof RangeError] }',
  'return structuredClone($)',
  'return JSON.stringify(host.echo($)) === JSON.stringify(host.echo(host.echo($)))',
  'return await Promise.all([$, host.later($)])',
  'return await new Promise(done => setTimeout(done, 0, $))',
  'try { return structuredClone({ $ }) } catch (e) { return e.name }'
]

const ATOMS = [
  'undefined',
  'null',
  'true',
  '0',
  '-0',
  '-1',
  '0.1',
  'NaN',
  'Infinity',
  '2 ** 53',
  '1n',
  '-(2n ** 70n)',
  "''",
  "'text'",
  "'\\ud800'",
  "'\\0'",
  "'\\u{1f600}'.repeat(30)",
  '[]',
  '{}',
  '[,1]',
  'new Uint8Array([1, 2])',
  'new Uint8Array(new ArrayBuffer(8), 2, 3)',
  'new Float32Array(2)',
  'new ArrayBuffer(3)',
  'new DataView(new ArrayBuffer(3))',
  'new Map([[1, 2]])',
  'new Set([1])',
  'new Date(0)',
  '/a/g',
  "Symbol('s')",
  '() => 1',
  'class {}',
  'function* () {}',
  "new Error('e')",
  "new RangeError('r')",
  "new DOMException('d', 'AbortError')",
  'Object.create(null)',
  'Object.create({ inherited: 1 })',
  'new (class A { x = 1 })()',
  'Promise.resolve(5)',
  'Object(1)',
  "Object('boxed')",
  'globalThis.host === undefined',
  "new URL('http://x/y')",
  'new AbortController().signal.aborted',
  "new TextEncoder().encode('é')",
  'JSON.parse(\'{"__proto__": 1, "constructor": 2}\')'
]

const SHAPES = [
  '[$]',
  '[$, $]',
  '{ a: $ }',
  '{ a: $, b: $ }',
  '{ __proto__: null, a: $ }',
  '{ get a() { return $ } }',
  '{ toJSON() { return $ } }',
  '{ valueOf() { return $ }, toString() { return "s" } }',
  '{ [Symbol.toStringTag]: $ }',
  '{ [Symbol.iterator]: () => [$][Symbol.iterator]() }',
  '{ then: $ }',
  'new Proxy({ a: $ }, {})',
  'new Proxy([$], {})',
  'Object.freeze({ a: $ })',
  'Object.assign([1], { named: $ })',
  'Object.defineProperty({}, "hidden", { value: $ })',
  'Object.defineProperty([], 0, { get: () => $, enumerable: true })',
  'Object.assign(new Error("with"), { extra: $ })',
  'new Error("caused", { cause: $ })',
  '[$].concat([$])',
  '(x => [x, x])($)',
  '((...all) => all)($, $)',
  '{ ...[$] }',
  // Of an object: QuickJS spreads nothing of a text by itself (docs/titles.md).
  '{ ...Object($) }',
  'Object.entries({ a: $ })',
  'Object.fromEntries([["k", $]])',
  'new Map([["k", $]])',
  'new Set([$])',
  'Promise.resolve($)',
  '(async () => $)()',
  'Object.setPrototypeOf({ a: $ }, null)',
  'Object.create(Object.prototype, { a: { value: $, enumerable: true } })',
  '(o => { o.self = o; return o })({ a: $ })'
]

function expression(grammar: Grammar, depth: number): string {
  if (depth === 0 || grammar.below(3) === 0) return wrapped(grammar.pick(ATOMS))
  return wrapped(grammar.pick(SHAPES).replaceAll('$', () => expression(grammar, depth - 1)))
}

/** Safe in any place. */
const wrapped = (text: string): string => `(${text})`

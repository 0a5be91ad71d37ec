/**
 * Frames of the engine's functions on its C stack, made as wide as a call costs on V8's.
 *
 * The engine bounds recursion by its C stack, which lies in the memory and holds only variables whose address is
 * taken. V8's stack holds everything else, and when that one overflows first, nothing is left to do but drop the
 * guest: `JSON.parse('['.repeat(1e5))` would end a program that should have seen an error. A call costs V8 some
 * 7 bytes per local. The figures below are the ones with which every recursion of tests/sandbox/quickjs-stack.test.ts
 * meets the engine's bound first, at 512 KiB in the 984 that V8 has.
 */

/**
 * Widen the frame of a function, or give one to a function that has none.
 *
 * @param text - As binaryen writes it; calls through the table, if any, still by type.
 */
export function padFrame(text: string): string {
  const asInterpreter = INTERPRETER_PROLOGUE.exec(text)
  const opened = asInterpreter ?? PROLOGUE.exec(text)
  if (opened === null) return addFrame(text)
  const [whole, frame, operation, constant] = opened as unknown as [string, string, string, string]
  const size = operation === 'sub' ? Number(constant) : -Number(constant)
  const local = String.raw`\(local\.get \$${frame}\)\s+`
  const sum = String.raw`(?:add\s+${local}\(i32\.const ${size}|sub\s+${local}\(i32\.const -${size})\)`
  const epilogue = new RegExp(String.raw`\(global\.set \$global\$0\s+\(i32\.${sum}\s+\)\s+\)`, 'g')
  const epilogues = text.match(epilogue)?.length ?? 0
  const touches = text.split('$global$0').length - 1
  const array = String.raw`\(global\.set \$global\$0\s+\(local\.tee \$\d+\s+\(i32\.sub\s+${local}`
  const arrays = text.match(new RegExp(array, 'g'))?.length ?? 0
  // The prologue has two. What else moves the stack pointer sizes an array at run time, below the frame: that of the
  // arguments of native functions, and those of the interpreter.
  if (asInterpreter !== null ? epilogues !== 1 : touches !== 2 + epilogues + arrays) return text
  const padding =
    asInterpreter !== null ? INTERPRETER_PADDING : arrays > 0 ? NATIVE_CALL_BYTES : frameBytes(text)
  return text
    .replace(
      epilogue,
      () => `(global.set $global$0 (i32.add (local.get $${frame}) (i32.const ${size + padding})))`
    )
    .replace(whole, () =>
      whole.replace(
        `(i32.const ${constant})`,
        `(i32.const ${operation === 'sub' ? size + padding : -size - padding})`
      )
    )
}

/** A function of some size that calls others and keeps nothing on the C stack. */
function addFrame(text: string): string {
  const lines = text.split('\n')
  if (lines.length < FRAMELESS_LINES || !text.includes('(call') || text.includes('$global$0')) return text
  const first = lines.findIndex((line, i) => i > 0 && !/^\s*\(local /.test(line))
  const move = (operation: string) =>
    `(global.set $global$0 (i32.${operation} (global.get $global$0) (i32.const ${frameBytes(text)})))`
  const result = /\(result \w+\)/.exec(lines[0]!)?.[0] ?? ''
  return [
    ...lines.slice(0, first),
    move('sub'),
    `(block $leave ${result}`,
    lines.slice(first, -1).join('\n').replaceAll('(return', '(br $leave'),
    ')',
    move('add'),
    lines.at(-1)
  ].join('\n')
}

const frameBytes = (text: string): number => {
  const locals = text.match(/\((?:param|local) \$\d+ /g)?.length ?? 0
  const between = text.includes('(call_indirect ') ? CALLER_BYTES : 0
  return 16 * Math.ceil((FRAME_BYTES + LOCAL_BYTES * locals + between) / 16)
}

const PROLOGUE =
  /\(global\.set \$global\$0\s+\(local\.tee \$(\d+)\s+\(i32\.(sub|add)\s+\(global\.get \$global\$0\)\s+\(i32\.const (-?\d+)\)\s+\)\s+\)\s+\)/
const INTERPRETER_PROLOGUE =
  /\(local\.set \$(\d+)\s+\(local\.tee \$\d+\s+\(i32\.(sub)\s+\(global\.get \$global\$0\)\s+\(i32\.const (\d+)\)\s+\)\s+\)\s+\)\s+\(global\.set \$global\$0/
const INTERPRETER_PADDING = 64
const FRAME_BYTES = 128
const LOCAL_BYTES = 12
/** What stands between a function and what it calls by a place in the table (indirect.ts). */
const CALLER_BYTES = 96
/** Of the function that calls native ones: it is called by its place itself, and what it calls may have no frame. */
const NATIVE_CALL_BYTES = 4 * CALLER_BYTES
/** Small functions call what has a frame, and cost little themselves. */
const FRAMELESS_LINES = 150

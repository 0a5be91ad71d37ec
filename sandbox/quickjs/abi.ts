/**
 * The C interface of the engine, as its metered wasm exports and imports it. scripts/engine.ts gives the released
 * wasm these names; nothing else in the project knows the minified ones.
 *
 * Pointers are byte offsets into the memory. A `JSValue` is 8 bytes, NaN-boxed: low half payload, high half tag.
 * Functions named QTS_* take and give pointers to a JSValue; what they give is the caller's, to free with
 * QTS_FreeValuePointer.
 */

export type Pointer = number

export interface EngineExports {
  readonly malloc: (sizeBytes: number) => Pointer
  readonly free: (pointer: Pointer) => void
  /** Top of the C stack, which grows down. What unwinds through the engine leaves it where it was. */
  readonly stack: WebAssembly.Global
  /** Units left until the next poll. */
  readonly fuel: WebAssembly.Global
  readonly QTS_RuntimeSetMaxStackSize: (runtime: Pointer, sizeBytes: number) => void
  readonly QTS_FreeValuePointer: (context: Pointer, value: Pointer) => void
  readonly QTS_NewFunction: (
    context: Pointer,
    name: Pointer,
    argumentCount: number,
    isConstructor: number,
    id: number
  ) => Pointer
  /** The bytes at `buffer`, from malloc, become the ArrayBuffer's own. */
  readonly QTS_NewArrayBuffer: (context: Pointer, buffer: Pointer, lengthBytes: number) => Pointer
  readonly QTS_NewString: (context: Pointer, text: Pointer) => Pointer
  readonly QTS_GetString: (context: Pointer, value: Pointer) => Pointer
  readonly QTS_FreeCString: (context: Pointer, text: Pointer) => void
  readonly QTS_Eval: (
    context: Pointer,
    source: Pointer,
    lengthBytes: number,
    name: Pointer,
    detectModule: number,
    flags: number
  ) => Pointer
  readonly QTS_Throw: (context: Pointer, error: Pointer) => Pointer
  /** The pending exception, when `value` stands for one; else 0. */
  readonly QTS_ResolveException: (context: Pointer, value: Pointer) => Pointer
  readonly QTS_ExecutePendingJob: (runtime: Pointer, maxJobs: number, contextOut: Pointer) => Pointer
  readonly QTS_IsJobPending: (runtime: Pointer) => number
  /** Make a value of the engine's binary form, which stands at the head of this ArrayBuffer. */
  readonly QTS_bjson_decode: (context: Pointer, buffer: Pointer) => Pointer
  /**
   * Call the function whose JSValue stands at `callee`, with the JSValues from `values` on, and write what comes of it
   * to `result`. Added by scripts/meter.ts, like the next.
   */
  readonly callInPlace: (
    context: Pointer,
    callee: Pointer,
    argumentCount: number,
    values: Pointer,
    result: Pointer
  ) => void
  /** The same for what an export's variable holds. @returns 0 where that is no function, and nothing was called; else 1. */
  readonly callVariable: (
    context: Pointer,
    variable: Pointer,
    argumentCount: number,
    values: Pointer,
    result: Pointer
  ) => number
  /** Let go of the JSValue that stands there. */
  readonly freeInPlace: (context: Pointer, value: Pointer) => void
}

/** What only the wasm that makes the image has beside that: the one that ships has no code for it. */
export interface BootExports extends EngineExports {
  /** Static constructors; called once, before anything else, when an image is made. */
  readonly initialize: () => void
  readonly QTS_NewRuntime: () => Pointer
  readonly QTS_NewContext: (runtime: Pointer, intrinsics: number) => Pointer
  readonly QTS_RuntimeEnableInterruptHandler: (runtime: Pointer) => void
  readonly QTS_RuntimeEnableModuleLoader: (runtime: Pointer, customNormalize: number) => void
  readonly QTS_GetUndefined: () => Pointer
  readonly QTS_Call: (
    context: Pointer,
    callee: Pointer,
    self: Pointer,
    argumentCount: number,
    argumentPointers: Pointer
  ) => Pointer
}

/** What the wasm calls. Whatever these throw unwinds through it, after which its memory is never believed again. */
export interface EngineImports {
  /** A guest called the function made with this id. @returns a JSValue from malloc, or at `self`; 0 for undefined. */
  readonly callFunction: (
    context: Pointer,
    self: Pointer,
    argumentCount: number,
    args: Pointer,
    id: number
  ) => Pointer
  /** Asked wherever the engine is, when it has used up its fuel. @returns fuel for the next stretch. */
  readonly outOfFuel: () => number
  /** @returns the module's source from malloc, ending in a zero byte; 0 after QTS_Throw. */
  readonly loadModule: (runtime: Pointer, context: Pointer, name: Pointer) => Pointer
  /** A promise was rejected while nobody handled it, or got its first handler after that. `pair` holds two JSValues:
   * the promise and its reason. Added by scripts/meter.ts: the released interface has no way to hear of it. */
  readonly trackRejection: (pair: Pointer, handled: number) => void
  /** The engine's allocator asks, where it was told to (placing.ts): malloc without a block, free without a size, else
   * realloc. Added by scripts/meter.ts. */
  readonly place: (state: Pointer, block: Pointer, sizeBytes: number) => Pointer
  /** @returns 1 when the memory now holds `sizeBytes`. */
  readonly grow: (sizeBytes: number) => number
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** High halves of a JSValue, as unsigned. */
export const TAG_OBJECT = 0xffffffff
export const TAG_EXCEPTION = 6

/** The JSValue undefined. */
export const UNDEFINED_VALUE = 0x3_0000_0000n

export const EVAL_SCRIPT = 0
export const EVAL_MODULE = 1

/**
 * Fuel between two polls: one unit is one turn of a native loop or 16 bytes of a block copy. The slowest turns, which
 * look up properties, take 0.2 µs, so polls are at most 10 ms apart.
 */
export const FUEL = 50_000

/** Place of the rejection tracker among the functions that the engine calls by pointers: the first after its own. */
export const REJECTION_TRACKER = 471
/** Then those of its allocator that ask the host, for malloc, free and realloc in a row: placing.ts. */
export const PLACING = 472

/** The C stack that the wasm was linked with lies below the heap, from `stack` at rest downwards. */
export const STACK_BYTES = 5 * 1024 * 1024
/** The most of it that a guest may use; the rest is for native code between two of the engine's own checks. */
export const MAX_GUEST_STACK_BYTES = STACK_BYTES - 1024 * 1024

export const PAGE_BYTES = 65536
/** The engine addresses its memory with signed offsets in places: 2 GiB is its own bound. */
export const MAX_PAGES = 32768

/** Numbers of the functions of the host's that a guest has. */
export const FUNCTION = {
  /** What the driver tells and asks. */
  call: 0,
  /** A call's number and its result. */
  result: 1,
  /** The first of those that were granted. */
  host: 2
} as const

/** How many values fit in one call without messages, and how many the driver takes at most beside its number. */
export const MAX_DIRECT_ARGUMENTS = 16

/** JSValues in the scratch block, by their offset. */
export const SCRATCH = {
  /** What the driver is to do; then what it is given; what comes of it. */
  drive: 0,
  driven: 8 * (1 + MAX_DIRECT_ARGUMENTS),
  /** A direct call's arguments; its result. */
  arguments: 8 * (2 + MAX_DIRECT_ARGUMENTS),
  result: 8 * (2 + 2 * MAX_DIRECT_ARGUMENTS),
  bytes: 8 * (3 + 2 * MAX_DIRECT_ARGUMENTS)
} as const

/** The ArrayBuffer through which values enter. Larger ones get one of their own. */
export const MAILBOX_BYTES = 16 * 1024

/** What the driver inside the guest (boot.ts) does when called with one of these and values. */
export const DRIVE = {
  /** Hand an ArrayBuffer to the SDK. */
  receive: 0,
  /** Open the way from linked modules to their exports. */
  link: 1,
  /** Tell the SDK that evaluation began, with its promise or the namespace. */
  started: 2,
  /** The same, with what the program threw. */
  failed: 3,
  /** Make an error for an import by this name. */
  refuse: 4,
  /** Make "line column message" of a SyntaxError. */
  describe: 5,
  /** Tell the SDK of an unhandled rejection: promise, reason. */
  rejected: 6,
  /** The same promise got a handler after all. */
  handled: 7,
  /** Take a granted function, with its module and name. */
  bind: 8,
  /** Give the program's namespace. */
  namespace: 9,
  /** Make a Uint8Array of an ArrayBuffer. */
  bytes: 10,
  /** Answer a call under its number with a value, or with what its promise settles to. */
  answer: 11,
  /** The same, with what it threw. */
  threw: 12,
  /** Encode these values: what the host could not read by itself. */
  encode: 13,
  /** Settle the request of this number with a value. */
  resolve: 14,
  /** The same, with a list of name and message of an error. */
  reject: 15,
  /** Make an error of a list of name and message. */
  error: 16,
  /** Give modules and names of all functions that were taken, in the order of their numbers. */
  bound: 17,
  /** Make the promise of the request of this number. */
  expect: 18
} as const

/** In the engine's flags: functions do not keep their text. Lines and columns they do. */
export const STRIP_SOURCE = 1
/** Nor those. */
export const STRIP_ALL = 3

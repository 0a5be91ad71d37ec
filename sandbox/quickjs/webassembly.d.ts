/** The part of the WebAssembly interface that is used here; TypeScript has it only with the whole of the DOM. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>)
    static imports(module: Module): { module: string; name: string; kind: string }[]
  }
  class Memory {
    constructor(descriptor: { initial: number; maximum: number; shared?: boolean })
    /** A SharedArrayBuffer where it is shared. */
    readonly buffer: ArrayBuffer
    grow(pages: number): number
  }
  class Global {
    value: number
  }
  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, unknown>>)
    readonly exports: Record<string, unknown>
  }
  class RuntimeError extends Error {}
  function validate(bytes: Uint8Array<ArrayBuffer>): boolean
}

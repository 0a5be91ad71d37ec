/**
 * Where the engine's own files are: beside this module in build/, beside the bundle in dist/. The build puts them in
 * both places under the same names, so one relative URL serves both.
 */
export const resource = (name: string): URL => new URL(`./${name}`, import.meta.url)

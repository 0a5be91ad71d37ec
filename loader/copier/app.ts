/**
 * An app's source: a folder with a package.json whose `coffer` field is the manifest, or one .ts or .js file
 * (docs/spec.md §9.1). Read and checked here, before anything is bundled.
 */
import { basename, extname, join, relative, sep } from 'node:path'
import { readdirSync, type Dirent } from 'node:fs'
import { utf8Decode } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import {
  MAX_ENTRY_NAME_CHARS,
  MAX_NAME_CHARS,
  MAX_NET_HOST_CHARS,
  MAX_NET_HOSTS
} from '../../formats/limits.js'
import { isEntryName } from '../../formats/package.js'
import { isTitleId, NET_HOST } from '../../formats/records/fields.js'
import { isName, isTame, tame } from '../../formats/wording.js'
import { inspectFile, isFolder, readFile, translate } from '../files.js'

/** Modules that a title can ask for. `assets` comes by itself with an assets folder. */
export const PERMISSIONS = ['terminal', 'save', 'assets', 'host', 'net'] as const

/** Of a value that is told of, in characters. */
const MAX_SHOWN_CHARS = 60

/** Names of the program's own entries in a package. */
export const PROGRAM_NAME = 'program.js'
export const IMAGE_NAME = 'program.image'
export const PLACES_NAME = 'program.js.map'
const OWN_NAMES: readonly string[] = [PROGRAM_NAME, IMAGE_NAME, PLACES_NAME]
const isOwnName = (name: string) => OWN_NAMES.includes(name) || name.startsWith(`${IMAGE_NAME}.`)

/** What becomes an entry of a package. */
export interface Content {
  readonly name: string
  readonly role: 'program' | 'image' | 'source-map' | 'asset'
  readonly bytes: Uint8Array
}

/** In which form a program is sealed: its source, an image of it once it has started, or where there is one both. */
const CODE_FORMS = ['both', 'image', 'source'] as const
/** Images are made of QuickJS. */
const CODE_FORMS_OF_SES = ['both', 'source'] as const

export interface App {
  readonly id: string
  readonly name: string
  readonly release: number
  readonly version: string
  readonly engine: 'quickjs' | 'ses'
  readonly engineRequired: boolean
  readonly code: (typeof CODE_FORMS)[number]
  /** Errors are to tell buyers the files and lines of the source. */
  readonly sourceMap: boolean
  readonly permissions: readonly string[]
  /** Hosts that it asks to reach; there when it asks for `net`. */
  readonly net: readonly string[] | undefined
  readonly limits: {
    readonly memoryMiB?: number
    readonly cpuMs?: number
    readonly wallMs?: number
    readonly outputMiB?: number
    readonly saveMiB?: number
  }
  /** Path of the module to bundle. */
  readonly entry: string
  /** Folder that imports are resolved from. */
  readonly folder: string
  readonly assetsFolder: string | undefined
}

const MAX_PACKAGE_JSON_BYTES = 1024 * 1024
/** TypeScript and JavaScript, also as Node spells their kinds of module. */
const SOURCE_FILE = /\.[cm]?[jt]sx?$/i

/** @throws CofferError COFFER_FILE_MISSING, COFFER_MANIFEST_INVALID naming the field. */
export function readApp(path: string): App {
  return isFolder(path) ? readPackage(path) : readSingleFile(path)
}

function readSingleFile(path: string): App {
  const name = basename(path, extname(path))
  if (readFile(path, Number.MAX_SAFE_INTEGER) === undefined) {
    throw new CofferError('COFFER_FILE_MISSING', `There is no app at ${path}.`, {
      expected: 'a folder with a package.json, or one .ts or .js file',
      found: 'neither',
      hint: 'Check the path.'
    })
  }
  if (!SOURCE_FILE.test(path)) {
    throw new CofferError('COFFER_MANIFEST_INVALID', `${shown(path)} is no app.`, {
      expected: 'a folder with a package.json, or one .ts or .js file',
      found: 'a file of another kind',
      hint: 'Give the folder of an app, or one .ts or .js file.'
    })
  }
  if (!isTitleName(name)) {
    throw new CofferError(
      'COFFER_MANIFEST_INVALID',
      `${shown(path)} has a name that cannot be shown to people.`,
      {
        expected: `at most ${MAX_NAME_CHARS} characters, none of them invisible`,
        hint: 'Rename the file and press again.'
      }
    )
  }
  const id = `local.${name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')}`
  return {
    id: isTitleId(id) ? id : 'local.app',
    name,
    release: 1,
    version: '1.0.0',
    engine: 'quickjs',
    engineRequired: false,
    code: 'both',
    sourceMap: true,
    permissions: [],
    net: undefined,
    limits: {},
    entry: path,
    folder: join(path, '..'),
    assetsFolder: undefined
  }
}

function readPackage(folder: string): App {
  const path = join(folder, 'package.json')
  const bytes = readFile(path, MAX_PACKAGE_JSON_BYTES)
  if (bytes === undefined) {
    throw new CofferError('COFFER_FILE_MISSING', `There is no package.json in "${folder}".`, {
      expected: 'a package.json with a "coffer" field',
      hint: `Give the folder of an app, or one .ts or .js file. ${SMALLEST}`
    })
  }
  let json: unknown
  try {
    json = JSON.parse(utf8Decode(bytes))
  } catch (error) {
    throw new CofferError('COFFER_MANIFEST_INVALID', `${path} is not valid JSON.`, {
      found: error instanceof SyntaxError ? error.message : 'text that is not UTF-8',
      hint: 'Correct it and press again.'
    })
  }
  const packageFields = fieldsOf(json, path)
  const read = new FieldReader(path, fieldsOf(packageFields['coffer'], `${path}: coffer`))
  const assets = read.optional('assets', isText, 'the name of a folder')
  const permissions =
    read.optional('permissions', isPermissions, `a list of ${PERMISSIONS.join(', ')}`, permissionsShown) ?? []
  const net = permissions.includes('net')
    ? read.required('net', isNetHosts, 'hosts that it asks to reach, such as ["api.example.org"]')
    : read.absent('net', 'none, or "net" among the permissions')
  const engine = read.optional('engine', isOneOf(['quickjs', 'ses']), '"quickjs" or "ses"') ?? 'quickjs'
  const code =
    (engine === 'ses'
      ? read.optional('code', isOneOf(CODE_FORMS_OF_SES), 'both or source: images are made for quickjs only')
      : read.optional('code', isOneOf(CODE_FORMS), `one of ${CODE_FORMS.join(', ')}`)) ?? 'both'
  const app: App = {
    id: read.required(
      'id',
      isId,
      'groups of a-z and 0-9 joined by "." or "-", 3 to 64 characters, no device of Windows such as "con"'
    ),
    name: read.required('name', isTitleName, 'text that can be seen'),
    release: read.optional('release', isWhole(0xffffffff), 'a whole number from 1') ?? 1,
    version:
      typeof packageFields['version'] === 'string' && /^[\x21-\x7e]{1,64}$/.test(packageFields['version'])
        ? packageFields['version']
        : '0.0.0',
    engine,
    engineRequired: read.optional('engineRequired', isBoolean, 'true or false') ?? false,
    code,
    // Who seals no source wants no names out of it either.
    sourceMap: read.optional('sourceMap', isBoolean, 'true or false') ?? code !== 'image',
    permissions,
    net,
    limits: readLimits(path, read.optional('limits', isObject, 'an object')),
    entry: join(folder, read.required('entry', isText, 'the path of a module')),
    folder,
    assetsFolder: assets === undefined ? undefined : join(folder, assets)
  }
  read.refuseOthers()
  return app
}

function readLimits(path: string, value: Record<string, unknown> = {}): App['limits'] {
  const read = new FieldReader(`${path}: coffer.limits`, value)
  const number = (name: string, max: number) =>
    read.optional(name, isWhole(max), `a whole number from 1 to ${max}`)
  const memoryMiB = number('memoryMiB', 4096)
  const cpuMs = number('cpuMs', 0xffffffff)
  const wallMs = number('wallMs', 0xffffffff)
  const outputMiB = number('outputMiB', 4096)
  const saveMiB = number('saveMiB', 1024)
  read.refuseOthers()
  return {
    ...(memoryMiB === undefined ? {} : { memoryMiB }),
    ...(cpuMs === undefined ? {} : { cpuMs }),
    ...(wallMs === undefined ? {} : { wallMs }),
    ...(outputMiB === undefined ? {} : { outputMiB }),
    ...(saveMiB === undefined ? {} : { saveMiB })
  }
}

type Is<T> = (value: unknown) => value is T

const isText = (value: unknown): value is string =>
  typeof value === 'string' &&
  value !== '' &&
  value.length <= MAX_NAME_CHARS &&
  isTame(value) &&
  !/\p{Cs}/u.test(value)
const isTitleName = (value: unknown): value is string => isText(value) && isName(value)
/** A path as it may stand in a message: names of files can hold anything. */
const shown = (path: string): string => tame(path, '?')

const isId = (value: unknown): value is string => typeof value === 'string' && isTitleId(value)
const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean'
const isWhole =
  (max: number) =>
  (value: unknown): value is number =>
    typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max
const isOneOf =
  <const T extends string>(choices: readonly T[]) =>
  (value: unknown): value is T =>
    choices.includes(value as T)

const isPermissions = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every(isOneOf(PERMISSIONS)) && new Set(value).size === value.length

/** The one that is none, or what is there where that is not it. */
function permissionsShown(value: unknown): string {
  const wrong = Array.isArray(value) ? value.find(one => !isOneOf(PERMISSIONS)(one)) : undefined
  return valueShown(wrong ?? value)
}

const isNetHosts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) &&
  value.length >= 1 &&
  value.length <= MAX_NET_HOSTS &&
  value.every(item => typeof item === 'string' && item.length <= MAX_NET_HOST_CHARS && NET_HOST.test(item))

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const SMALLEST =
  'The smallest one is { "coffer": { "id": "org.example.hello", "name": "Hello", "entry": "main.ts" } }.'

function fieldsOf(value: unknown, where: string): Record<string, unknown> {
  if (isObject(value)) return value
  throw new CofferError('COFFER_MANIFEST_INVALID', `${where} is not an object.`, {
    expected: '{ "id": ..., "name": ..., "entry": ... } in the field "coffer" of package.json',
    hint: SMALLEST
  })
}

/** The fields of an object, each taken once by what it must be. */
class FieldReader {
  readonly #where: string
  readonly #fields: Record<string, unknown>
  readonly #known = new Set<string>()

  constructor(where: string, fields: Record<string, unknown>) {
    this.#where = where
    this.#fields = fields
  }

  /** @param show - What was found, of a value that is not valid. */
  required<T>(name: string, isValid: Is<T>, expected: string, show = valueShown): T {
    this.#known.add(name)
    const value = this.#fields[name]
    if (isValid(value)) return value
    throw this.#invalid(name, expected, value === undefined ? 'nothing' : show(value))
  }

  optional<T>(name: string, isValid: Is<T>, expected: string, show = valueShown): T | undefined {
    this.#known.add(name)
    return this.#fields[name] === undefined ? undefined : this.required(name, isValid, expected, show)
  }

  /** What has a meaning only beside another field. */
  absent(name: string, expected: string): undefined {
    this.#known.add(name)
    const value = this.#fields[name]
    if (value !== undefined) throw this.#invalid(name, expected, valueShown(value))
  }

  /** A misspelt field would otherwise be silently without effect. */
  refuseOthers(): void {
    const other = Object.keys(this.#fields).find(name => !this.#known.has(name))
    if (other !== undefined)
      throw this.#invalid(other, `one of ${[...this.#known].join(', ')}`, `an unknown field "${other}"`)
  }

  #invalid(name: string, expected: string, found: string): CofferError {
    return new CofferError('COFFER_MANIFEST_INVALID', `${this.#where}: the field "${name}" is not valid.`, {
      expected,
      found,
      hint: 'Correct it and press again.'
    })
  }
}

/** A value of a manifest, short enough for a line. */
function valueShown(value: unknown): string {
  const text = tame(JSON.stringify(value), ' ')
  return text.length <= MAX_SHOWN_CHARS ? text : `${text.slice(0, MAX_SHOWN_CHARS)}...`
}

export interface AssetFile {
  /** As the title asks for it: relative to the assets folder, with '/'. */
  readonly name: string
  readonly bytes: Uint8Array
}

/** Every file under the assets folder, in a fixed order. Links and other odd files are refused. */
export function readAssets(app: App): AssetFile[] {
  const { assetsFolder } = app
  if (assetsFolder === undefined) return []
  if (!isFolder(assetsFolder)) {
    throw new CofferError('COFFER_MANIFEST_INVALID', `There is no assets folder at "${assetsFolder}".`, {
      hint: 'Make it, or take "assets" out of the package.json.'
    })
  }
  return filesUnder(assetsFolder).map(path => ({
    name: assetName(assetsFolder, path),
    bytes: readFile(path, Number.MAX_SAFE_INTEGER)!
  }))
}

function assetName(folder: string, path: string): string {
  const name = relative(folder, path).split(sep).join('/')
  // A name that is not UTF-8 arrives with U+FFFD in it, and names no file then.
  if (isEntryName(name) && !isOwnName(name) && inspectFile(path) !== undefined) return name
  throw new CofferError(
    'COFFER_MANIFEST_INVALID',
    `The asset ${shown(path)} has a name that cannot travel.`,
    {
      expected: `UTF-8 of at most ${MAX_ENTRY_NAME_CHARS} characters without "\\" and control characters, none of ${OWN_NAMES.join(', ')}, ${IMAGE_NAME}.*`,
      found: shown(name),
      hint: 'Rename the file and press again.'
    }
  )
}

function filesUnder(folder: string): string[] {
  let entries: Dirent[]
  try {
    entries = readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    throw translate(error, 'read', folder)
  }
  return entries
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(entry => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return filesUnder(path)
      if (entry.isFile()) return [path]
      throw new CofferError('COFFER_MANIFEST_INVALID', `${shown(path)} is neither a file nor a folder.`, {
        hint: 'Put a copy of the file in its place: links do not travel.'
      })
    })
}

/** Where things are on a target medium (docs/spec.md §6.1). */
import { join } from 'node:path'
import { hex, shortHex, utf8 } from '../../formats/bytes.js'
import { isTitleId } from '../../formats/records/fields.js'
import type { Grant } from '../../formats/records/grant.js'
import { titleFileName } from '../../formats/title.js'
import { within } from '../files.js'

const COFFER_FOLDER = '.coffer'

/**
 * What a license on a medium is filed under, its grant and its saves: the title's id; or, for a second user of the same
 * title on the same medium, that and the beginning of his userId. No titleId has an @.
 */
export const ownName = (titleId: string, userId: Uint8Array): string => `${titleId}@${shortHex(userId)}`

/** The title and, where the name has one, the user that a license is filed for. */
export function parseLicenseName(name: string): { titleId: string; user: string | undefined } | undefined {
  const [, titleId, user] = /^([^@]+)(?:@([0-9a-f]{16}))?$/.exec(name) ?? []
  return titleId !== undefined && isTitleId(titleId) ? { titleId, user } : undefined
}

/** What a payload on a medium is sealed for, by its grant. */
export type SealedFor = Pick<Grant, 'titleId' | 'release' | 'scheme' | 'epoch'>

/** A copy of one release under another key than the one that has its plain name: of another scheme, or of a later epoch. */
const ownTitleName = ({ titleId, release, scheme, epoch }: SealedFor): string =>
  titleFileName({ id: titleId, release }).replace(/\.title$/, `.${scheme === 'conversion' ? epoch : 0}.title`)

const TITLE_FILE = /^(.+)-([1-9][0-9]{0,9})(?:\.[0-9]{1,10})?\.title$/

/** The title and release that a file of sealed titles is named for. */
export function parseTitleName(name: string): { titleId: string; release: number } | undefined {
  const [, titleId, release] = TITLE_FILE.exec(name) ?? []
  return titleId !== undefined && isTitleId(titleId) ? { titleId, release: Number(release) } : undefined
}

/** The same object as long as one medium is asked about. */
export const mediumPaths = (root: string): MediumPaths =>
  last?.root === root ? last.paths : (last = { root, paths: pathsOf(root) }).paths

let last: { readonly root: string; readonly paths: MediumPaths } | undefined

const pathsOf = (root: string) => {
  const folder = join(root, COFFER_FOLDER)
  const grants = within(folder, 'grants')
  const titles = within(folder, 'titles')
  const returns = within(folder, 'returns')
  const renewals = within(folder, 'renewals')
  const allSaves = within(folder, 'saves')
  const saves = (name: string) => within(allSaves, name)
  return {
    folder,
    identity: within(folder, 'identity'),
    grants,
    titles,
    revocations: within(folder, 'revocations'),
    returns,
    /** A return on its way: the copy that it names runs no more. @param name - A titleId, or an {@link ownName}; so below. */
    returned: (name: string) => within(returns, `${name}.return`),
    renewals,
    /** A request to renew that is on its way. */
    renewal: (name: string) => within(renewals, `${name}.request`),
    /** What a user's programs remember of this medium. */
    marks: (userId: Uint8Array) => within(folder, `marks-${shortHex(userId)}`),
    grant: (name: string) => within(grants, `${name}.grant`),
    title: (titleId: string, release: number) => within(titles, titleFileName({ id: titleId, release })),
    /** The same, for a copy under another key while that name is taken. */
    ownTitle: (sealed: SealedFor) => within(titles, ownTitleName(sealed)),
    allSaves,
    saves,
    saveIndex: (name: string) => within(saves(name), 'index'),
    saveLock: (name: string) => within(saves(name), 'lock'),
    /** Slots differ in case where file systems do not: the file's name has the slot's bytes in hexadecimal. */
    save: (name: string, slot: string, commit: number) =>
      within(saves(name), `${hex(utf8(slot))}-${commit}.save`)
  }
}

export type MediumPaths = ReturnType<typeof pathsOf>

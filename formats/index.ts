/** `coffer/formats`: records, keys, payloads and errors, for tools that read or make them. Bytes only. */
export { base64url, equalBytes, fromBase64url, fromHex, hex } from './bytes.js'
export { CofferError, ERROR_CODES, type ErrorCode, type ErrorDetails } from './errors.js'
export {
  CHUNK_BYTES,
  HEADER_BYTES,
  PayloadOpener,
  PayloadSealer,
  TAG_BYTES,
  openPayload,
  plaintextSize,
  sealPayload,
  sealedSize
} from './cobblestone.js'
export { StreamOpener, StreamSealer } from './cobblestone-streams.js'
export {
  deriveKeys,
  formatPublicKeys,
  parsePublicKeys,
  userIdOf,
  wipeKeys,
  type KeyPairs,
  type Keys,
  type PublicKeys
} from './keys.js'
export { decode, encode, type Packable } from './msgpack.js'
export { openPackageIndex, PackageChecker, type PackageEntry, type PackageIndex } from './package.js'
export { isTitleId, type Bind, type GrantKind, type MediumKind, type Scheme } from './records/fields.js'
export { openAnswer, type VerifiedAnswer } from './records/answer.js'
export { openCheckpoint, openReceipt, type Checkpoint, type Receipt } from './records/checkpoint.js'
export { isEnded, openEnded, openEndedFile, type Ended } from './records/ended.js'
export { openGrant, type Grant, type VerifiedGrant } from './records/grant.js'
export { openIdentity, type Identity } from './records/identity.js'
export { checkManifest, parseManifest, type Manifest, type ParsedManifest } from './records/manifest.js'
export { openPublisher, type Publisher } from './records/publisher.js'
export { openQuote, type Quote } from './records/quote.js'
export { openRegistration, openRelease } from './records/release.js'
export { openRequest, type VerifiedRequest } from './records/request.js'
export { openReturn, type VerifiedReturn } from './records/return.js'
export { findRevocation, openRevocations, type Revocations } from './records/revocations.js'
export { openRoots, type Center, type Root } from './records/root.js'
export {
  openSaves,
  parseSaves,
  SAVES_HEAD_BYTES,
  savesHeadLength,
  type ParsedSaves,
  type SavesHead,
  type SavesState
} from './saves.js'
export { manifestLength, parseTitle, titleFileName, TITLE_HEAD_BYTES, type ParsedTitle } from './title.js'

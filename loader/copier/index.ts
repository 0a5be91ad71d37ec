/** `coffer/copier`: make media. Press masters, prepare targets, order and copy titles, renew, return and move copies. */
export { press, type Pressed, type PressEvent, type PressOptions } from './press.js'
export { prepare, type Prepared } from './prepare.js'
export { applyAnswer, copy, requestCopy, type CopyOptions } from './copy.js'
export type { Copied, CopyEvent } from './install.js'
export { renewTitle, type Renewed, type RenewOptions } from './renew.js'
export { returnTitle, type Returned, type ReturnOptions } from './returns.js'
export { transferTitle, type TransferOptions } from './move.js'
export {
  exportSaves,
  importSaves,
  type ImportSavesOptions,
  type MovedSaves,
  type SavesEvent,
  type SavesOptions
} from './saves-file.js'
export { listMaster, type MasterListing, type TitleOnMaster } from './master.js'
export { BIND_BEARER, BIND_USER, type Agree } from './order.js'
export type { Quote } from '../../formats/records/quote.js'
export { CenterClient } from './center-client.js'
export { Home } from '../home.js'
export { createKeyFile } from '../key-files.js'

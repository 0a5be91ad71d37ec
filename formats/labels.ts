/**
 * Every label that enters a hash, MAC, key derivation, HPKE info or signature. One table, so that no two uses can
 * share one by accident. The bytes are "coffer/v1/" label 0x00 (docs/spec.md §2.1).
 */
export const LABELS = [
  'medium-id',
  'medium-factor',
  'center-id',
  'user-id',
  'user-sign',
  'user-seal',
  'user-save',
  'publisher-sign',
  'publisher-seal',
  'certification-key',
  'grant-body',
  'certificate',
  'sealed-certification-key',
  'title-key',
  'medium-key',
  'master-medium-key',
  'medium-binding',
  'sealed-binding-secret',
  'wrap-medium-key',
  'wrap-master-medium-key',
  'sealed-release-key',
  'stored-title-key',
  'stored-answer',
  'payload',
  'save-root',
  'save',
  'request-body',
  'signed/root',
  'signed/publisher',
  'signed/manifest',
  'signed/identity',
  'signed/request',
  'signed/grant',
  'signed/answer',
  'signed/revocations',
  'signed/registration',
  'signed/release',
  'signed/return',
  'signed/checkpoint'
] as const

export type Label = (typeof LABELS)[number]

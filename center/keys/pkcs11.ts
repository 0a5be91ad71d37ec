/**
 * Keys in a PKCS#11 token, which never gives them out: a hardware module, or SoftHSM. It computes Ed25519 signatures
 * (CKM_EDDSA) and HMAC-SHA-512 (CKM_SHA512_HMAC), which is all that a vault asks of its keys.
 *
 * The binding is native and compiles when it is installed, so it is no dependency: whoever has a token adds it beside
 * this package (docs/decisions/0023-a-token-for-the-vault.md).
 */
import { createRequire } from 'node:module'
import type * as Pkcs11 from 'pkcs11js'
import { CofferError } from '../../formats/errors.js'
import { kindOf, type KeyKind, type KeyStore } from './keystore.js'

export interface Token {
  /** Path of the module's library. */
  readonly module: string
  /** The token's label. */
  readonly label: string
  /** In front of the labels of its keys, so that centers can share a token. */
  readonly prefix: string
}

/** Gives the module pkcs11js. No type of it shows outside of this file: its types are not everybody's either. */
export type LoadBinding = () => Promise<unknown>
type Binding = typeof Pkcs11

/** Not an import: it is there only where somebody put it. */
const loadBinding = async (): Promise<Binding> => createRequire(import.meta.filename)('pkcs11js') as Binding

// Of PKCS#11 3.0, which the binding has no names for.
const CKM_EC_EDWARDS_KEY_PAIR_GEN = 0x1055
const CKM_EDDSA = 0x1057
/** The OID of Ed25519, DER. */
const ED25519 = Buffer.from('06032b6570', 'hex')
/** A key of SHA-512's own size: SoftHSM takes no shorter one, and HKDF's are as long. */
const MAC_KEY_BYTES = 64
const CURVE_POINT_BYTES = 32
const OUTPUT_BYTES = 64

/** @throws CofferError COFFER_FILE_MISSING where there is no binding, module or token, COFFER_VAULT_LOCKED for the PIN. */
export async function openToken(
  token: Token,
  pin: string | undefined,
  load: LoadBinding = loadBinding
): Promise<KeyStore> {
  const binding = (await load().catch((cause: unknown) => {
    throw unavailable('the package pkcs11js is not installed beside coffer, or was not compiled', cause)
  })) as Binding
  const library = new binding.PKCS11()
  try {
    library.load(token.module)
    library.C_Initialize()
  } catch (cause) {
    throw unavailable(`the module ${token.module} cannot be loaded`, cause)
  }
  try {
    return new TokenKeys(binding, library, logIn(binding, library, token, pin), token.prefix)
  } catch (error) {
    library.C_Finalize()
    library.close()
    throw error
  }
}

function logIn(binding: Binding, library: Pkcs11.PKCS11, { label }: Token, pin: string | undefined): Buffer {
  const slot = library
    .C_GetSlotList(true)
    .find(candidate => library.C_GetTokenInfo(candidate).label.trim() === label)
  if (slot === undefined) throw unavailable(`the module has no token "${label}"`)
  const session = library.C_OpenSession(slot, binding.CKF_RW_SESSION | binding.CKF_SERIAL_SESSION)
  if (pin === undefined) throw locked(label, 'nothing')
  try {
    library.C_Login(session, binding.CKU_USER, pin)
  } catch (cause) {
    throw locked(label, (cause as Error).message, cause)
  }
  return session
}

class TokenKeys implements KeyStore {
  readonly #binding: Binding
  readonly #library: Pkcs11.PKCS11
  readonly #session: Buffer
  readonly #prefix: string
  /** By name: looking for one costs more than using it. */
  readonly #handles = new Map<string, Buffer>()
  readonly #publicKeys = new Map<string, Uint8Array>()

  constructor(binding: Binding, library: Pkcs11.PKCS11, session: Buffer, prefix: string) {
    this.#binding = binding
    this.#library = library
    this.#session = session
    this.#prefix = prefix
  }

  names(): readonly string[] {
    const { CKO_PRIVATE_KEY, CKO_SECRET_KEY } = this.#binding
    const labels = [CKO_PRIVATE_KEY, CKO_SECRET_KEY]
      .flatMap(type => this.#find(type))
      .map(key => this.#labelOf(key))
    return labels
      .flatMap(label => (label.startsWith(this.#prefix) ? [label.slice(this.#prefix.length)] : []))
      .sort()
  }

  publicKey(name: string): Uint8Array {
    let key = this.#publicKeys.get(name)
    if (key === undefined) {
      const { CKO_PUBLIC_KEY, CKA_EC_POINT } = this.#binding
      const [found] = this.#find(CKO_PUBLIC_KEY, name)
      if (found === undefined) throw new Error(`internal: the token has no public key ${name}`)
      const [point] = this.#library.C_GetAttributeValue(this.#session, found, [{ type: CKA_EC_POINT }])
      // An OCTET STRING around it: the point is its end.
      key = new Uint8Array((point!.value as Buffer).subarray(-CURVE_POINT_BYTES))
      this.#publicKeys.set(name, key)
    }
    return key
  }

  sign(name: string, message: Uint8Array): Uint8Array {
    return this.#compute(CKM_EDDSA, this.#handle(name), message)
  }

  mac(name: string, message: Uint8Array): Uint8Array {
    return this.#compute(this.#binding.CKM_SHA512_HMAC, this.#handle(name), message)
  }

  async make(name: string, kind: KeyKind): Promise<void> {
    const { CKA_TOKEN, CKA_LABEL, CKA_PRIVATE, CKA_SENSITIVE, CKA_EXTRACTABLE, CKA_SIGN } = this.#binding
    const label = { type: CKA_LABEL, value: this.#prefix + name }
    const secret = [
      label,
      { type: CKA_TOKEN, value: true },
      { type: CKA_PRIVATE, value: true },
      { type: CKA_SENSITIVE, value: true },
      { type: CKA_EXTRACTABLE, value: false },
      { type: CKA_SIGN, value: true }
    ]
    if (kind === 'mac') {
      const { CKM_GENERIC_SECRET_KEY_GEN, CKA_VALUE_LEN, CKA_KEY_TYPE, CKK_GENERIC_SECRET } = this.#binding
      this.#library.C_GenerateKey(this.#session, { mechanism: CKM_GENERIC_SECRET_KEY_GEN }, [
        ...secret,
        { type: CKA_KEY_TYPE, value: CKK_GENERIC_SECRET },
        { type: CKA_VALUE_LEN, value: MAC_KEY_BYTES }
      ])
      return
    }
    const { CKA_VERIFY, CKA_EC_PARAMS } = this.#binding
    const open = [
      label,
      { type: CKA_TOKEN, value: true },
      { type: CKA_VERIFY, value: true },
      { type: CKA_EC_PARAMS, value: ED25519 }
    ]
    this.#library.C_GenerateKeyPair(this.#session, { mechanism: CKM_EC_EDWARDS_KEY_PAIR_GEN }, open, secret)
  }

  async remove(name: string): Promise<void> {
    const { CKO_PRIVATE_KEY, CKO_SECRET_KEY, CKO_PUBLIC_KEY } = this.#binding
    for (const type of [CKO_PRIVATE_KEY, CKO_SECRET_KEY, CKO_PUBLIC_KEY])
      for (const key of this.#find(type, name)) this.#library.C_DestroyObject(this.#session, key)
    this.#handles.delete(name)
    this.#publicKeys.delete(name)
  }

  close(): void {
    this.#handles.clear()
    this.#library.C_Logout(this.#session)
    this.#library.C_CloseSession(this.#session)
    this.#library.C_Finalize()
    this.#library.close()
  }

  #compute(mechanism: number, key: Buffer, message: Uint8Array): Uint8Array {
    this.#library.C_SignInit(this.#session, { mechanism }, key)
    return new Uint8Array(
      this.#library.C_Sign(this.#session, Buffer.from(message), Buffer.alloc(OUTPUT_BYTES))
    )
  }

  #handle(name: string): Buffer {
    const known = this.#handles.get(name)
    if (known !== undefined) return known
    const { CKO_PRIVATE_KEY, CKO_SECRET_KEY } = this.#binding
    const [found] = this.#find(kindOf(name) === 'sign' ? CKO_PRIVATE_KEY : CKO_SECRET_KEY, name)
    if (found === undefined) throw new Error(`internal: the token has no key ${name}`)
    this.#handles.set(name, found)
    return found
  }

  /** Keys of one class, all of them or those of one name. */
  #find(type: number, name?: string): Buffer[] {
    const { CKA_CLASS, CKA_LABEL } = this.#binding
    this.#library.C_FindObjectsInit(this.#session, [
      { type: CKA_CLASS, value: type },
      ...(name === undefined ? [] : [{ type: CKA_LABEL, value: this.#prefix + name }])
    ])
    try {
      const found: Buffer[] = []
      for (let key = this.#next(); key !== null; key = this.#next()) found.push(key)
      return found
    } finally {
      this.#library.C_FindObjectsFinal(this.#session)
    }
  }

  #next = (): Buffer | null => this.#library.C_FindObjects(this.#session) as Buffer | null

  #labelOf(key: Buffer): string {
    const [label] = this.#library.C_GetAttributeValue(this.#session, key, [{ type: this.#binding.CKA_LABEL }])
    return (label!.value as Buffer).toString('utf8')
  }
}

const unavailable = (found: string, cause?: unknown) =>
  new CofferError('COFFER_FILE_MISSING', `Cannot open the vault's token: ${found}.`, {
    expected: 'a PKCS#11 module with the token, and the package pkcs11js beside coffer',
    found,
    hint: 'See docs/center.md, "A token for the keys".',
    cause
  })

const locked = (label: string, found: string, cause?: unknown) =>
  new CofferError('COFFER_VAULT_LOCKED', `The token "${label}" is locked.`, {
    expected: 'its PIN',
    found,
    hint: 'Give it in the environment: COFFER_VAULT_PIN=... coffer-center ...',
    cause
  })

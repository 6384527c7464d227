import { crc32 } from 'node:zlib'
import { asKeyId, base62, type KeyId, randomBase62 } from '../kernel/index.ts'

/**
 * `pcl_<key id: 12 base62>_<secret: 32 base62><crc32 of all before it: 6 base62>`. The prefix and the checksum let secret scanners find a
 * leaked key with certainty, and let us refuse a mistyped or invented one without looking anything up.
 */
export const KEY_PATTERN = /^pcl_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}$/

/** Keys of the systems before this one: UUIDs as a rule. Long enough that the eight characters in their key id give nothing away. */
export const LEGACY_KEY_PATTERN = /^(?!pcl_)[0-9A-Za-z][0-9A-Za-z_-]{19,127}$/

const PREFIX = 'pcl_'
const ID_END = 16
const CRC_START = 49
const KEY_LENGTH = 55

const DIGITS = new Uint8Array(256).fill(255)
for (const [value, digit] of [...'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'].entries())
  DIGITS[digit.charCodeAt(0)] = value

export function mintKey(id: KeyId): string {
  const body = `${PREFIX}${id}_${randomBase62(32)}`
  return body + base62(crc32(body), 6)
}

/** The key id of a well-formed key whose checksum fits, else null. Costs no look-up and no hashing. */
export function keyIdOf(credential: string): KeyId | null {
  if (credential.length !== KEY_LENGTH || !KEY_PATTERN.test(credential)) return null
  if (crc32(credential.slice(0, CRC_START)) !== writtenCrc(credential)) return null
  return asKeyId(credential.slice(PREFIX.length, ID_END))
}

/** Why `keyIdOf` answered null. */
export function keyFault(credential: string): 'malformed' | 'bad_crc' {
  return KEY_PATTERN.test(credential) ? 'bad_crc' : 'malformed'
}

function writtenCrc(credential: string): number {
  let crc = 0
  // The pattern has admitted only base62 digits, so the table never answers 255 here.
  for (let at = CRC_START; at < KEY_LENGTH; at += 1) crc = crc * 62 + (DIGITS[credential.charCodeAt(at)] ?? 0)
  return crc
}

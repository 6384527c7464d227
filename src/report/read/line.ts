import { isCaddyLine, tellCaddy } from './caddy.ts'
import { tellLedger } from './ledger.ts'
import { tellLegacy } from './legacy.ts'
import { isFields, malformed, type Told } from './told.ts'

const BRACE = 0x7b
const DIGIT_0 = 0x30
const DIGIT_9 = 0x39

/** What one line says. Each line shows its own format, so that a file may change from one to the other half-way. */
export function tellLine(bytes: Buffer, start: number, end: number): Told {
  const first = bytes[start] ?? 0
  if (first === BRACE) return tellJson(bytes.toString('utf8', start, end))
  if (first >= DIGIT_0 && first <= DIGIT_9) return tellLegacy(bytes.toString('utf8', start, end))
  return malformed('neither a ledger line nor a line of the old audit log')
}

function tellJson(text: string): Told {
  let line: unknown
  try {
    line = JSON.parse(text)
  } catch {
    return malformed('JSON that is cut or broken')
  }
  if (!isFields(line)) return malformed('JSON that is no object')
  if (typeof line.event === 'string') return tellLedger(line)
  if (isCaddyLine(line)) return tellCaddy(line)
  return malformed('JSON, but neither a ledger line nor an access log line')
}

import { hash } from 'node:crypto'
import type {
  IntentEntry,
  LifecycleEntry,
  OpenLine,
  OutcomeEntry,
  RefusedEntry,
  RefusedSummaryLine,
  SealLine,
  Units,
} from '../contract/index.ts'

/** The chain before its first line. */
export const GENESIS = '0'.repeat(64)
export const HASH_FIELD = ',"hash":"'
const FIELD_CHARS_MAX = 1_024
const UNITS_MAX = 32

const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/
const NOT_ASCII = /[^\x20-\x7e]/g

/**
 * A JSON string of printable ASCII only. Nothing in a line can then move a terminal's cursor or reverse the order of its text, and a character is a
 * byte, so that offsets are lengths. Concatenation is twice as fast as JSON.stringify of a whole line.
 */
export function quoted(text: string): string {
  if (text.length > FIELD_CHARS_MAX) return quoted(`${text.slice(0, FIELD_CHARS_MAX - 1)}…`)
  if (PLAIN.test(text)) return `"${text}"`
  return JSON.stringify(text).replace(NOT_ASCII, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

const ELLIPSIS_BYTES = 6

/** As much of a text as takes at most so many bytes in a line, where most characters take one and a stranger's may take six. */
export function fitting(text: string, bytesMax: number): string {
  if (text.length <= bytesMax && PLAIN.test(text)) return text
  let bytes = 0
  let cut = 0
  for (const character of text) {
    bytes += quoted(character).length - 2
    if (bytes > bytesMax) return `${text.slice(0, cut)}…`
    if (bytes <= bytesMax - ELLIPSIS_BYTES) cut += character.length
  }
  return text
}

/** JSON has no NaN and no infinity, and nobody reads nanoseconds. */
const number = (value: number): string => (Number.isFinite(value) ? String(Math.round(value * 1_000) / 1_000) : '0')

let isoMs = Number.NaN
let iso = ''
/** toISOString costs as much as the rest of a line, and thousands of lines share a millisecond. */
export function isoTime(ms: number): string {
  if (ms !== isoMs) {
    isoMs = ms
    iso = new Date(ms).toISOString()
  }
  return iso
}

const base = (event: string, ms: number, seq: number): string => `{"v":1,"time":"${isoTime(ms)}","seq":${seq},"event":"${event}"`

function about(e: IntentEntry): string {
  let text = `,"request":${quoted(e.request)},"tenant":${quoted(e.tenant)}`
  if (e.kind !== undefined) text += `,"kind":${quoted(e.kind)}`
  if (e.user !== undefined) text += `,"user":${quoted(e.user)}`
  if (e.key !== undefined) text += `,"key":${quoted(e.key)}`
  if (e.old_secret !== undefined) text += ',"old_secret":true'
  text += `,"address":${quoted(e.address)},"method":${quoted(e.method)},"route":${quoted(e.route)},"service":${quoted(e.service)}`
  if (e.model !== undefined) text += `,"model":${quoted(e.model)}`
  if (e.target !== undefined) text += `,"target":${quoted(e.target)}`
  if (e.agent !== undefined) text += `,"agent":${quoted(e.agent)}`
  return text
}

function units(used: Units): string {
  let text = ''
  for (const [unit, value] of Object.entries(used).slice(0, UNITS_MAX)) text += `${text === '' ? '' : ','}${quoted(unit)}:${number(value)}`
  return `{${text}}`
}

export function intentBody(e: IntentEntry, ms: number, seq: number): string {
  let text = base('intent', ms, seq) + about(e)
  if (e.units !== undefined) text += `,"units":${units(e.units)}`
  if (e.cost_micro !== undefined) text += `,"cost_micro":${number(e.cost_micro)}`
  return text
}

export function outcomeBody(e: OutcomeEntry, ms: number, seq: number): string {
  let text = `${base('outcome', ms, seq)}${about(e)},"status":${number(e.status)}`
  if (e.code !== undefined) text += `,"code":${quoted(e.code)}`
  if (e.reason !== undefined) text += `,"reason":${quoted(e.reason)}`
  text += `,"bytes_in":${number(e.bytes_in)},"bytes_out":${number(e.bytes_out)}`
  if (e.endpoint !== undefined) text += `,"endpoint":${quoted(e.endpoint)}`
  if (e.passed_over !== undefined) text += `,"passed_over":${quoted(e.passed_over)}`
  if (e.units !== undefined) text += `,"units":${units(e.units)}`
  if (e.cost_micro !== undefined) text += `,"cost_micro":${number(e.cost_micro)}`
  if (e.estimated !== undefined) text += ',"estimated":true'
  if (e.first_byte_ms !== undefined) text += `,"first_byte_ms":${number(e.first_byte_ms)}`
  return `${text},"total_ms":${number(e.total_ms)},"ended":${quoted(e.ended)}`
}

export function refusedBody(e: RefusedEntry, ms: number, seq: number): string {
  let text = `${base('refused', ms, seq)}${about(e)},"status":${number(e.status)},"code":${quoted(e.code)}`
  if (e.reason !== undefined) text += `,"reason":${quoted(e.reason)}`
  if (e.path !== undefined) text += `,"path":${quoted(e.path)}`
  return text
}

export type RefusedSummaryEntry = Omit<RefusedSummaryLine, 'v' | 'time' | 'seq' | 'event' | 'hash'>
export type RefusedSample = RefusedSummaryEntry['samples'][number]

function sample(s: RefusedSample): string {
  let text = `{"code":${quoted(s.code)}`
  if (s.reason !== undefined) text += `,"reason":${quoted(s.reason)}`
  if (s.key !== undefined) text += `,"key":${quoted(s.key)}`
  if (s.method !== undefined) text += `,"method":${quoted(s.method)}`
  if (s.route !== undefined) text += `,"route":${quoted(s.route)}`
  if (s.service !== undefined) text += `,"service":${quoted(s.service)}`
  if (s.path !== undefined) text += `,"path":${quoted(s.path)}`
  return `${text}}`
}

export function summaryBody(e: RefusedSummaryEntry, ms: number, seq: number): string {
  let text = `${base('refused_summary', ms, seq)},"tenant":${quoted(e.tenant)}`
  if (e.kind !== undefined) text += `,"kind":${quoted(e.kind)}`
  if (e.user !== undefined) text += `,"user":${quoted(e.user)}`
  if (e.key !== undefined) text += `,"key":${quoted(e.key)}`
  text += `,"address":${quoted(e.address)},"count":${number(e.count)},"first":${quoted(e.first)},"last":${quoted(e.last)}`
  return `${text},"samples":[${e.samples.map(sample).join(',')}]`
}

export function lifecycleBody(e: LifecycleEntry, ms: number, seq: number): string {
  const text = `${base('lifecycle', ms, seq)},"what":${quoted(e.what)}`
  return e.detail === undefined ? text : `${text},"detail":${quoted(e.detail)}`
}

type Sign = (text: string) => string
type Unsigned<T> = Omit<T, 'v' | 'time' | 'seq' | 'event' | 'hash' | 'sig'>

function signed(text: string, sign: Sign): string {
  return `${text},"sig":"${sign(text)}"`
}

export function openBody(e: Unsigned<OpenLine>, ms: number, seq: number, sign: Sign): string {
  let text = `${base('open', ms, seq)},"segment":${quoted(e.segment)},"host":${quoted(e.host)},"pid":${number(e.pid)}`
  if (e.previous) {
    text += `,"previous":{"segment":${quoted(e.previous.segment)},"hash":"${e.previous.hash}","bytes":${e.previous.bytes}`
    text += e.previous.broken ? ',"broken":true}' : '}'
  }
  if (e.unfinished_from !== undefined) text += `,"unfinished_from":${e.unfinished_from}`
  return signed(`${text},"public_key":"${e.public_key}"`, sign)
}

export function sealBody(e: Unsigned<SealLine>, ms: number, seq: number, sign: Sign): string {
  let text = `${base('seal', ms, seq)},"segment":${quoted(e.segment)},"offset":${e.offset},"sha256":"${e.sha256}","head":"${e.head}"`
  if (e.previous_seal !== undefined) text += `,"previous_seal":"${e.previous_seal}"`
  return signed(text, sign)
}

/** The hash that ties a line to the one before it. */
export const chained = (previous: string, body: string): string => hash('sha256', previous + body, 'hex')

/** A whole line, newline included. */
export const finished = (body: string, lineHash: string): string => `${body}${HASH_FIELD}${lineHash}"}\n`

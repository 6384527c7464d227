import type { Sound } from './sound.ts'

export interface Segment {
  readonly id: number
  readonly start: number
  readonly end: number
  readonly text: string
}

export interface Transcript {
  readonly text: string
  readonly language: string
  readonly segments: readonly Segment[]
}

const SECONDS_UNKNOWN = 3

/** Nobody listened: what is told of the file stands where its words would be, spread over its time. */
export function transcriptOf({ facts, seconds }: Sound, language: string): Transcript {
  const sentences = ['This is a transcript by a stand-in that understands no words.', ...facts]
  const each = (seconds || SECONDS_UNKNOWN) / sentences.length
  const segments = sentences.map((text, index) => ({
    id: index + 1,
    start: round(index * each),
    end: round((index + 1) * each),
    text: ` ${text}`,
  }))
  return { text: segments.map(({ text }) => text).join(''), language, segments }
}

const round = (seconds: number): number => Math.round(seconds * 1_000) / 1_000

export const OUTPUTS = ['txt', 'vtt', 'srt', 'tsv', 'json'] as const
export type Output = (typeof OUTPUTS)[number]

const lines = (rows: readonly string[]): string => rows.map((row) => `${row}\n`).join('')

const WRITERS: Readonly<Record<Output, (transcript: Transcript) => string>> = {
  txt: ({ segments }) => lines(segments.map(({ text }) => text.trim())),
  json: (transcript) =>
    JSON.stringify({ language: transcript.language, segments: transcript.segments.map(whisperSegment), text: transcript.text }),
  srt: ({ segments }) =>
    lines(segments.map(({ id, start, end, text }) => `${id}\n${time(start, ',')} --> ${time(end, ',')}\n${text.trim()}\n`)),
  vtt: ({ segments }) =>
    lines(['WEBVTT', '', ...segments.map(({ start, end, text }) => `${time(start, '.')} --> ${time(end, '.')}\n${text.trim()}\n`)]),
  tsv: ({ segments }) =>
    lines(['start\tend\ttext', ...segments.map(({ start, end, text }) => `${start * 1_000}\t${end * 1_000}\t${text.trim()}`)]),
}

export const write = (transcript: Transcript, output: Output): string => WRITERS[output](transcript)

/** The fields that Whisper gives each segment; a stand-in has no probabilities to tell. */
const whisperSegment = (segment: Segment) => ({
  ...segment,
  seek: 0,
  tokens: [],
  temperature: 0,
  avg_logprob: 0,
  compression_ratio: 1,
  no_speech_prob: 0,
})

function time(seconds: number, point: ',' | '.'): string {
  const ms = Math.round(seconds * 1_000)
  const pad = (value: number, digits = 2): string => String(Math.floor(value)).padStart(digits, '0')
  return `${pad(ms / 3_600_000)}:${pad((ms / 60_000) % 60)}:${pad((ms / 1_000) % 60)}${point}${pad(ms % 1_000, 3)}`
}

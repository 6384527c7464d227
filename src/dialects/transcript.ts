import type { TranscriptSegment, VerboseTranscriptAnswer } from '../contract/index.ts'
import { backendFault, isRecord, jsonOf, rubbish, sentenceOf } from './fault.ts'
import type { Audio, Transcription } from './operations.ts'
import type { LocalAnswer, WholeAnswer } from './plan.ts'
import { localJson } from './requests.ts'
import { heardSeconds } from './sound.ts'

/** The answer to a transcription, the same in shape whichever backend heard it. */
export const transcriptAnswerOf =
  (transcription: Transcription) =>
  (answer: WholeAnswer): LocalAnswer => {
    const { format, audio } = transcription
    if (format === 'json' || format === 'verbose_json') return heardAnswer(answer, transcription)
    return textAnswer(answer, format, audio)
  }

function heardAnswer(answer: WholeAnswer, { format, audio, task, language }: Transcription): LocalAnswer {
  const heard = jsonOf(answer.body.toString('utf8')) // the content type tells nothing: one backend calls JSON text/plain, another calls text text/html
  if (!isRecord(heard) || typeof heard.text !== 'string') {
    const sentence = sentenceOf(answer)
    throw rubbish(sentence === '' ? 'no transcript' : `no transcript, but: ${sentence}`, 'no transcript')
  }
  const duration = durationOf(heard)
  const segments = Array.isArray(heard.segments) ? heard.segments.flatMap((segment, index) => segmentOf(segment, index) ?? []) : []
  const used = usedOf(audio, duration, segments)
  const text = heard.text.trim()
  if (format === 'json') return { ...localJson({ text }), ...used }
  const verbose: VerboseTranscriptAnswer = {
    task,
    language: typeof heard.language === 'string' ? heard.language : (language ?? ''),
    ...(duration === undefined ? {} : { duration }),
    text,
    segments,
  }
  return { ...localJson(verbose), ...used }
}

type Used = Pick<LocalAnswer, 'units' | 'estimated'>

function usedOf(audio: Audio, duration: number | undefined, segments: readonly TranscriptSegment[]): Used {
  return duration === undefined ? heardTo(audio, segments.at(-1)?.end ?? 0) : { units: { bytes: audio.bytes, seconds: duration } }
}

/** A backend that does not tell how long the sound is tells where the last words in it end; what is silent after them is not counted. */
const heardTo = ({ bytes, bytesPerSecond }: Audio, seconds: number): Used => ({
  units: { bytes, ...(seconds > 0 ? { seconds } : heardSeconds(bytes, bytesPerSecond)) },
  estimated: true,
})

const LAST_TIME = /^-->[ \t]*(?:(\d{1,4}):)?(\d\d):(\d\d)[.,](\d{3})/

/** Where the last line of subtitles ends, in seconds; 0 where there are none. */
function lastTimeIn(text: string): number {
  const [, hours = '0', minutes = '0', seconds = '0', millis = '0'] = LAST_TIME.exec(text.slice(text.lastIndexOf('-->')).slice(0, 40)) ?? []
  return Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds) + Number(millis) / 1_000
}

/** OpenAI tells a duration in `usage`, or in the answer itself when it is verbose. */
function durationOf({ duration, usage }: Readonly<Record<string, unknown>>): number | undefined {
  if (typeof duration === 'number' && duration >= 0) return duration
  if (isRecord(usage) && usage.type === 'duration' && typeof usage.seconds === 'number') return usage.seconds
  return undefined
}

const OPTIONAL_NUMBERS = ['temperature', 'avg_logprob', 'compression_ratio', 'no_speech_prob'] as const

function segmentOf(value: unknown, index: number): TranscriptSegment | null {
  if (!isRecord(value) || typeof value.text !== 'string') return null
  const number = (name: string, fallback: number): number => (typeof value[name] === 'number' ? value[name] : fallback)
  const segment: TranscriptSegment = { id: number('id', index), start: number('start', 0), end: number('end', 0), text: value.text.trim() }
  for (const name of OPTIONAL_NUMBERS) {
    const found = value[name]
    if (typeof found === 'number') segment[name] = found
  }
  return segment
}

interface TextFormat {
  readonly contentType: string
  /** What every text of this format, or an empty one, looks like. */
  readonly looks: RegExp
}

const TEXT_FORMATS: Readonly<Record<'text' | 'srt' | 'vtt', TextFormat>> = {
  text: { contentType: 'text/plain; charset=utf-8', looks: /^/ },
  srt: { contentType: 'application/x-subrip; charset=utf-8', looks: /^(?:$|\d+\s*\n\d{2,}:\d\d:\d\d)/ },
  vtt: { contentType: 'text/vtt; charset=utf-8', looks: /^WEBVTT\b/ },
}

function textAnswer(answer: WholeAnswer, format: keyof typeof TEXT_FORMATS, audio: Audio): LocalAnswer {
  // An error told with status 200 must not be handed out as what somebody said.
  if (/json|event-stream/i.test(answer.contentType)) throw backendFault(answer)
  const text = answer.body.toString('utf8').trim()
  const { contentType, looks } = TEXT_FORMATS[format]
  if (!looks.test(text)) throw rubbish(`what it calls ${format} is none`)
  const used = heardTo(audio, format === 'text' ? 0 : lastTimeIn(text))
  return { status: 200, headers: { 'content-type': contentType, 'cache-control': 'no-store' }, body: `${text}\n`, ...used }
}

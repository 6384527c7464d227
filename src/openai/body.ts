import type { ReadBody } from '../dialects/index.ts'
import { type BodyNames, readJudged, type Visit } from '../gate/index.ts'
import type { Share } from '../http/index.ts'

/** Names of the bodies of /v1, whichever route: Ollama reads them without case, and takes the last of two. */
const KNOWN = new Set([
  'model',
  'messages',
  'prompt',
  'input',
  'instructions',
  'system',
  'stream',
  'stream_options',
  'stream_format',
  'max_tokens',
  'max_completion_tokens',
  'max_output_tokens',
  'n_predict',
  'n',
  'best_of',
  'seed',
  'stop',
  'stop_sequences',
  'temperature',
  'top_p',
  'top_k',
  'frequency_penalty',
  'presence_penalty',
  'response_format',
  'encoding_format',
  'dimensions',
  'tools',
  'tool_choice',
  'reasoning',
  'reasoning_effort',
  'thinking',
  'think',
  'logprobs',
  'top_logprobs',
  'suffix',
  'previous_response_id',
  'conversation',
  'keep_alive',
  'options',
  'voice',
  'speed',
  'size',
  'quality',
  'negative_prompt',
  'images',
  'init_images',
  'image',
  'mask',
  'override_settings',
])

/** What this face judges or changes; of a long body nothing else is parsed. */
const GUARDED = new Set([
  'model',
  'stream',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'max_output_tokens',
  'n_predict',
  'n',
  'best_of',
  'encoding_format',
  'keep_alive',
  'options',
])

const NAMES: BodyNames = { known: KNOWN, guarded: GUARDED }

export const readV1 = (visit: Visit, room: Share, bytesMax: number): Promise<ReadBody> => readJudged(visit, bytesMax, room, NAMES)

import type { Handler } from '../../http/serve.ts'
import type { InferParts } from '../reply.ts'
import { chat } from './chat.ts'
import { completions } from './completions.ts'
import { embeddings } from './embeddings.ts'
import { messages } from './messages.ts'
import { listModels } from './models.ts'
import { anthropicRefusals, openaiRefusals } from './refusals.ts'
import { responses } from './responses.ts'

/** The faces that Ollama has for clients of OpenAI's and Anthropic's protocols, on the same models. */
export function compatibleRoutes(parts: InferParts): Readonly<Record<string, Handler>> {
  return {
    'POST /v1/chat/completions': openaiRefusals((call) => chat(call, parts)),
    'POST /v1/completions': openaiRefusals((call) => completions(call, parts)),
    'POST /v1/embeddings': openaiRefusals((call) => embeddings(call, parts.library)),
    'POST /v1/responses': openaiRefusals((call) => responses(call, parts)),
    'POST /v1/messages': anthropicRefusals((call) => messages(call, parts)),
    'GET /v1/models': listModels(parts.library),
  }
}

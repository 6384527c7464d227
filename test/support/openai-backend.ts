/** A scriptable OpenAI-compatible server: well-behaved until told otherwise, in the manners of vLLM, speaches and Kokoro, with the nasty ways of all. */
export * from './openai-backend/chat.ts'
export * from './openai-backend/faults.ts'
export * from './openai-backend/media.ts'
export { responseStream } from './openai-backend/responses.ts'
export { type OpenaiBackend, type OpenaiBackendOptions, openaiBackend } from './openai-backend/server.ts'
export { type SseOptions, sse } from './openai-backend/sse.ts'
export * from './openai-backend/texts.ts'

/** The names that every server in OpenAI's style takes for its own model. */
export const USUAL_MODELS = { speech: 'tts-1', transcription: 'whisper-1' } as const

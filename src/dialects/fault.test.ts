import { describe, expect, it } from 'vitest'
import { backendFault, sentenceOf } from './fault.ts'

const answer = (status: number, body: unknown, contentType = 'application/json') => ({
  status,
  contentType,
  body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
})

describe('what a backend says went wrong', () => {
  it.each([
    ['FastAPI', { detail: 'Voice not found' }, 'Voice not found'],
    [
      'FastAPI, validation',
      { detail: [{ type: 'missing', loc: ['body', 'audio_file'], msg: 'Field required' }] },
      'audio_file: Field required',
    ],
    ['AUTOMATIC1111', { error: 'HTTPException', detail: 'Sampler not found', body: '', errors: '' }, 'Sampler not found'],
    ['AUTOMATIC1111, out of memory', { error: 'OutOfMemoryError', detail: '', body: '', errors: 'CUDA out of memory' }, 'OutOfMemoryError'],
    ['OpenAI', { error: { message: 'Invalid voice', type: 'invalid_request_error', param: null, code: null } }, 'Invalid voice'],
    ['openai-edge-tts', { error: 'Missing input', details: 'x' }, 'Missing input'],
    ['Kokoro', { detail: { error: 'validation_error', message: 'No such voice', type: 'invalid_request_error' } }, 'No such voice'],
    ['openedai-speech', { message: 'voice nobody', code: 400, type: 'BadRequestError', param: 'voice' }, 'voice nobody'],
    ['nobody', {}, ''],
  ])('is found in the answer of %s', (_who, body, sentence) => {
    expect(sentenceOf(answer(400, body))).toBe(sentence)
  })

  it('is the text of a plain answer, never a page', () => {
    expect(sentenceOf(answer(500, 'Internal Server Error\n', 'text/plain; charset=utf-8'))).toBe('Internal Server Error')
    expect(sentenceOf(answer(500, '<!doctype html><title>500</title>', 'text/html'))).toBe('')
    expect(sentenceOf(answer(500, '<h1>no type</h1>', ''))).toBe('')
  })

  it('is found in an event', () => {
    expect(sentenceOf(answer(200, 'data: {"type":"error","error":"a coroutine was expected"}\n\n', 'text/event-stream'))).toBe(
      'a coroutine was expected',
    )
  })

  it('is clipped, on one line, and shows control characters for what they are', () => {
    const sentence = sentenceOf(answer(400, { detail: `bad\r\n\u001b[31m${'x'.repeat(1_000)}` }))
    expect(sentence).toHaveLength(305)
    expect(sentence.startsWith('bad \\u001b[31mxxx')).toBe(true)
  })
})

describe('the fault that it means', () => {
  it.each([
    [400, { detail: 'no such voice' }, 'UPSTREAM_REJECTED', 'The backend does not accept this request: no such voice'],
    [
      422,
      { detail: [{ loc: ['body', 'steps'], msg: 'too many' }] },
      'UPSTREAM_REJECTED',
      'The backend does not accept this request: steps: too many',
    ],
    [
      404,
      { detail: "Model 'x' is not installed locally" },
      'UPSTREAM_REJECTED',
      "The backend does not accept this request: Model 'x' is not installed locally",
    ],
    [
      404,
      { detail: 'Not Found' },
      'UPSTREAM_REFUSED',
      'The backend does not know this operation; it may be of another kind than the gate was told',
    ],
    [
      405,
      { detail: 'Method Not Allowed' },
      'UPSTREAM_REFUSED',
      'The backend does not know this operation; it may be of another kind than the gate was told',
    ],
    [
      401,
      { detail: 'Incorrect username or password' },
      'UPSTREAM_REFUSED',
      'The backend does not accept the credential that the gate has for it',
    ],
    [403, { detail: 'Not authenticated' }, 'UPSTREAM_REFUSED', 'The backend does not accept the credential that the gate has for it'],
    [413, { error: 'too large' }, 'BODY_TOO_LARGE', 'The backend does not take a body this large: too large'],
    [415, { detail: 'Failed to decode audio' }, 'UNSUPPORTED_MEDIA', 'The backend cannot read this: Failed to decode audio'],
    [429, { detail: 'queue full' }, 'UPSTREAM_BUSY', 'The backend says that it is busy: queue full'],
    [503, {}, 'UPSTREAM_BUSY', 'The backend says that it is busy'],
    [500, { detail: 'cannot open /home/ada/models/x' }, 'UPSTREAM_REFUSED', 'The backend failed: it answered 500'],
    [500, { error: 'OutOfMemoryError', detail: '', errors: '' }, 'UPSTREAM_REFUSED', 'The backend failed: it ran out of memory'],
    [
      200,
      { error: 'a coroutine' },
      'UPSTREAM_DIED',
      'The backend answered with application/json where something else was expected: a coroutine',
    ],
  ])('of %i %j is %s', (status, body, code, detail) => {
    expect(backendFault(answer(status, body))).toMatchObject({ code, detail })
  })

  it.each([
    ['Anthropic has no room', 529, 'application/json', undefined, 'UPSTREAM_BUSY'],
    ['a backend has no room, and no words', 503, 'text/plain', '3', 'UPSTREAM_BUSY'],
    ['a proxy has lost it, perhaps at work', 503, 'text/html', undefined, 'UPSTREAM_REFUSED'],
  ])('where %s is told apart', (_what, status, contentType, retryAfter, code) => {
    expect(backendFault({ status, contentType, body: Buffer.from(''), retryAfter }).code).toBe(code)
  })

  it.each([
    [429, 'You exceeded your current quota for organization org-SECRET123, please check billing', 'The backend says that it is busy'],
    [
      429,
      'Rate limit reached for m in organization org-SECRET123 on tokens per min. Try again in 2s',
      'The backend says that it is busy: Rate limit reached for m in organization … on tokens per min. Try again in 2s',
    ],
    [400, 'proj_SECRET123 may not use m', 'The backend does not accept this request: … may not use m'],
  ])('of %i says nothing of the account that the house has there', (status, message, detail) => {
    expect(backendFault(answer(status, { error: { message } })).detail).toBe(detail)
  })

  it('keeps what a failing backend says of itself from the caller', () => {
    expect(backendFault(answer(500, { detail: 'cannot open /home/ada/models/x' })).detail).not.toContain('/home')
  })

  it.each([400, 401, 403, 404, 405, 413, 415, 422, 429, 500, 503, 200])(
    'of %i leaves nothing in the ledger of what the backend repeats',
    (status) => {
      const told = backendFault({ status, contentType: 'text/my plain prompt', body: Buffer.from('my plain prompt') })
      expect(told.reason).not.toContain('prompt')
      expect(told.reason).toContain(String(status))
    },
  )

  it('names the kind of exception in the ledger', () => {
    expect(backendFault(answer(500, { error: 'RuntimeError: my plain prompt' })).reason).toBe('status 500: RuntimeError')
  })
})

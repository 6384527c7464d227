import { expect, it } from 'vitest'
import { shownModels } from './lists.ts'

const shown = (body: unknown, status = 200) =>
  shownModels((name) => name.startsWith('my-')).reshape?.({
    status,
    contentType: 'application/json',
    body: Buffer.from(JSON.stringify(body)),
  })

it('holds only names that its reader may read', () => {
  const models = [
    { name: 'my-a', model: 'my-a', size: 1 },
    { name: 'my-b', model: 'secret' },
    { name: 'secret', model: 'my-b' },
    { size: 2 },
    null,
  ]
  expect(JSON.parse(String(shown({ models })?.body))).toEqual({ models: [models[0]] })
  expect(JSON.parse(String(shown({ models: null })?.body))).toEqual({ models: [] })
})

it('is not passed on where it cannot be read, and an error is', () => {
  for (const body of [['secret'], { models: { secret: {} } }, 'secret', {}]) expect(() => shown(body)).toThrow('its list of models is none')
  expect(shown({ error: 'no' }, 500)).toMatchObject({ status: 500 })
})

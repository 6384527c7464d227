import { describe, expect, it } from 'vitest'
import type { KeyView } from '../contract/index.ts'
import { width } from './key-columns.ts'
import { KeyTable } from './key-table.ts'

const NOW_MS = Date.parse('2026-11-21T12:00:00Z')
const key = (over: Partial<KeyView> = {}): KeyView => ({
  id: 'abcdefghijkl',
  user: 'ada',
  rights: ['text', 'embedding'],
  description: 'laptop',
  state: 'active',
  rate: null,
  concurrency: 100,
  tokens_per_minute: null,
  budget_day: null,
  budget_month: null,
  models: null,
  networks: null,
  log_content: false,
  created_at: '2026-11-20T12:00:00.000Z',
  expires_at: '2026-12-21T12:00:00.000Z',
  disabled_at: null,
  rotated_at: null,
  old_secret_until: null,
  last_used_at: null,
  legacy: false,
  ...over,
})
const plain = (text: string) => text.replace(/\u001b\[\d+m/g, '')

describe('the table of keys', () => {
  it('has its head once, columns as wide as the first page wants, and cuts nothing later', () => {
    const table = new KeyTable(NOW_MS)
    const first = plain(table.page({ keys: [key(), key({ user: 'grace', description: '' })], total: 3 })).split('\n')
    expect(first).toEqual([
      'ID            USER   RIGHTS  STATE   EXPIRES                         LAST USED  DESCRIPTION',
      'abcdefghijkl  ada    chat    active  2026-12-21 12:00 UTC (in 30 d)  never      laptop',
      'abcdefghijkl  grace  chat    active  2026-12-21 12:00 UTC (in 30 d)  never',
    ])
    expect(plain(table.page({ keys: [key({ user: 'a-longer-name' })], total: null }))).toBe(
      'abcdefghijkl  a-longer-name  chat    active  2026-12-21 12:00 UTC (in 30 d)  never      laptop',
    )
  })

  it('has a column for what bounds a key only where a key of the first page is bounded', () => {
    const bounded = key({
      models: ['llama*', 'gpt-4'],
      networks: ['10.0.0.0/8'],
      tokens_per_minute: 5,
      budget_day: '1.00',
      log_content: true,
    })
    const lines = plain(new KeyTable(NOW_MS).page({ keys: [key(), bounded], total: 2 })).split('\n')
    expect(lines[0]).toMatch(/LAST USED {2}BOUNDS +DESCRIPTION$/)
    expect(lines[1]).toMatch(/never +laptop$/)
    expect(lines[2]).toContain('models llama* gpt-4; from 10.0.0.0/8; 5 tokens/min; 1.00 a day; content kept  laptop')
  })

  it('shows what callers wrote without obeying it', () => {
    expect(plain(new KeyTable(NOW_MS).page({ keys: [key({ description: 'x\u001b[2J\ny' })], total: 1 }))).toContain('x\\u001b[2J\\u000ay')
  })

  it('counts places of a terminal, not characters', () => {
    expect([width('ada'), width('日本'), width('é'), width('e\u0301'), width('')]).toEqual([3, 4, 1, 1, 0])
  })
})

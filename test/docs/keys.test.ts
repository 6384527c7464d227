import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { keyCommand } from '../../src/cli/key.ts'
import { KEY_PATTERN } from '../../src/identity/index.ts'
import { LIMITS, RIGHT_ALIASES } from '../../src/kernel/index.ts'

const page = readFileSync(new URL('../../docs/keys.md', import.meta.url), 'utf8')
const section = (title: string) => page.split(/^## /m).find((part) => part.startsWith(title)) ?? ''
const firstCells = (text: string) => [...text.matchAll(/^\| `([^`]+)` \|/gm)].map(([, cell]) => cell ?? '')

describe('docs/keys.md', () => {
  it('has every command with its options, and none that is gone', () => {
    const { commands } = keyCommand(() => Promise.reject(new Error('not opened here')))
    const documented = new Map(firstCells(section('Commands')).map((cell) => [cell.split(' ')[0], cell]))
    expect([...documented.keys()].sort()).toEqual(commands.map((command) => command.name()).sort())
    for (const command of commands) {
      for (const { long, short } of command.options) {
        if (long === '--json') continue
        const cell = documented.get(command.name()) ?? ''
        expect([command.name(), long, cell.includes(long ?? '?') || cell.includes(short ?? '?')]).toEqual([command.name(), long, true])
      }
    }
  })

  it('has every right word', () => {
    const words = firstCells(section('Rights'))
    expect(words.sort()).toEqual([...Object.keys(RIGHT_ALIASES), 'manage:<service>', 'use:<service>', 'observe'].sort())
  })

  it('gives scanners the pattern that the gate itself uses', () => {
    expect(page).toContain(KEY_PATTERN.source.replace('^', '\\b').replace('$', '\\b'))
  })

  it('quotes limits as they are', () => {
    const numbers = [
      LIMITS.failedKeysPerMinuteMax,
      LIMITS.argonQueueMax,
      LIMITS.keyConcurrencyDefault,
      LIMITS.rateCountMax.toLocaleString('en'),
    ]
    for (const number of numbers) expect(page).toContain(String(number))
    expect(page).toContain(`${LIMITS.argonWaitMsMax / 1_000} s at most`)
    expect(page).toContain(`up to ${LIMITS.throttleMsMax / 60_000} min`)
  })
})

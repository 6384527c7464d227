import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { CLOUDFLARE_RANGES, trustedNetworks } from '../../src/http/index.ts'

const folder = new URL('../../caddy/', import.meta.url)
const files = readdirSync(folder)
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8')
/** The words after each `remote_ip` or `trusted_proxies`. */
const lists = (text: string) =>
  [...text.matchAll(/\b(?:remote_ip|trusted_proxies) (.*)$/gm)].map(([, words = '']) => words.trim().split(/\s+/))

describe('the networks that caddy/ names', () => {
  test('are Cloudflare\u2019s as the gatekeeper knows them', () => {
    const named = lists(read('cloudflare.caddy'))
    expect(named).toHaveLength(2)
    for (const list of named) expect(list).toEqual([...CLOUDFLARE_RANGES])
  })

  test('are private as the gatekeeper sees it, all of them and nothing else', () => {
    const named = files.filter((file) => file !== 'cloudflare.caddy').flatMap((file) => lists(read(file)))
    expect(named.length).toBeGreaterThan(2)
    const here = ['127.0.0.1', '10.1.2.3', '172.31.0.1', '192.168.1.1', '169.254.1.1', '100.100.1.1', '::1', 'fd7a:115c:a1e0::1', 'fe80::1']
    const elsewhere = ['8.8.8.8', '172.32.0.1', '100.128.0.1', '2001:db8::1', '128.0.0.1']
    for (const list of [['private'], ...named]) {
      const networks = trustedNetworks(list)
      expect(here.filter((address) => !networks.has(address))).toEqual([])
      expect(elsewhere.filter((address) => networks.has(address))).toEqual([])
    }
  })
})

import { describe, expect, it } from 'vitest'
import { LIMITS } from '../kernel/index.ts'
import { Connections, connectionsMax } from './connections.ts'

const of = (perNetwork: number, totalMax = 1_000): Connections => new Connections({ perNetworkMax: () => perNetwork, totalMax })
const entered = (connections: Connections, addresses: readonly string[], trusted = false): (string | null)[] =>
  addresses.map((address) => connections.enter(address, trusted))

describe('connections', () => {
  it.each([
    ['2', '192.0.2.1', '192.0.2.1', '192.0.2.1'],
    ['2, by their /64', '2001:db8:1:2::1', '2001:db8:1:2:ffff::2', '2001:db8:1:2:3:4:5:6'],
    ['2, by whatever spelling', '192.0.2.1', '::ffff:192.0.2.1', '::ffff:c000:201'],
  ])('from one network are at most %s', (_name, ...addresses) => {
    expect(entered(of(2), addresses)).toEqual([null, null, 'more than 2 connections'])
  })

  it('of another network have places of their own', () => {
    expect(entered(of(1), ['2001:db8:1:2::1', '2001:db8:1:3::1', '192.0.2.1', '192.0.2.2'])).toEqual([null, null, null, null])
  })

  it('that leave give their place to others, whoever was refused meanwhile', () => {
    const connections = of(2)
    expect(entered(connections, Array(3).fill('192.0.2.1'))).toEqual([null, null, expect.any(String)])
    connections.leave('192.0.2.1', false)
    expect(entered(connections, Array(2).fill('192.0.2.1'))).toEqual([null, expect.any(String)])
  })

  it('are bounded in all: n−1, n, n+1', () => {
    const connections = of(100, 3)
    const four = ['192.0.2.1', '192.0.2.2', '2001:db8::1', '192.0.2.4']
    expect(entered(connections, four)).toEqual([null, null, null, 'more than 3 connections in all'])
    connections.leave('2001:db8::1', false)
    expect(connections.enter('192.0.2.4', false)).toBeNull()
  })

  it('of strangers leave a tenth for trusted proxies', () => {
    const connections = of(100, 10)
    const ten = Array.from({ length: 10 }, (_, n) => `192.0.2.${n}`)
    expect(entered(connections, ten)).toEqual([...Array(9).fill(null), 'more than 9 connections in all'])
    expect(entered(connections, ['10.0.0.1', '10.0.0.1'], true)).toEqual([null, 'more than 10 connections in all'])
  })

  it('of a trusted proxy are as many as it likes, and count', () => {
    const connections = of(1, 3)
    expect(entered(connections, Array(4).fill('10.0.0.1'), true)).toEqual([null, null, null, 'more than 3 connections in all'])
    connections.leave('10.0.0.1', true)
    expect(entered(connections, ['192.0.2.1', '192.0.2.2'])).toEqual([null, 'more than 3 connections in all'])
  })

  it('leave files for what else the gate must open', () => {
    expect(connectionsMax()).toBeGreaterThan(100)
    expect(connectionsMax()).toBeLessThanOrEqual(LIMITS.connectionsMax)
  })
})

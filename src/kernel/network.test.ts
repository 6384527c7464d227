import { describe, expect, it } from 'vitest'
import { networkOf } from './network.ts'

describe('the network of an address', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['local', 'local'],
    ['unknown', 'unknown'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['not an address: at all', 'not an address: at all'],
    ['not:an:address', 'not:an:address'],
  ])('%s is %s', (address, network) => expect(networkOf(address)).toBe(network))

  it('may be wider', () => {
    expect(networkOf('2001:db8:1:2::9', 48)).toBe('2001:db8:1::/48')
    expect(networkOf('192.0.2.1', 48)).toBe('192.0.2.1')
  })
})

import { defineConfig } from 'vitest/config'

// Unit tests stand beside the code; test/ holds what needs sockets, processes, the real Caddy or the whole house.
export default defineConfig({
  test: {
    pool: 'forks',
    allowOnly: false,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    projects: [
      { extends: true, test: { name: 'unit', include: ['src/**/*.test.ts', 'test/docs/**/*.test.ts', 'test/tidy.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts', 'test/sdk/**/*.test.ts'],
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      { extends: true, test: { name: 'caddy', include: ['test/caddy/**/*.test.ts'], fileParallelism: false, sequence: { groupOrder: 2 } } },
      {
        extends: true,
        test: {
          name: 'promises',
          include: ['test/promises/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
})

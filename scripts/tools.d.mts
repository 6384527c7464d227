/** Where a program is and how to start it: `env` is added to the environment, `args` come before your own. */
export interface FoundTool {
  readonly path: string
  readonly env: Readonly<Record<string, string>>
  readonly args: readonly string[]
  readonly from: 'the system' | '.cache/tools'
  readonly missing?: never
}
export interface MissingTool {
  readonly missing: string
}
export declare const toolNames: readonly string[]
export declare function tool(name: string): FoundTool | MissingTool

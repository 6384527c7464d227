import { Hono } from 'hono'
import { type KeyRouteParts, keyRoutes } from './keys/routes.ts'

/** What the resources ask for, all of them together. */
export type AdminParts = KeyRouteParts

/** The whole management API, to be mounted under /admin/api: one folder for each resource, each with its routes and its presenter. */
export const adminRoutes = (parts: AdminParts): Hono => new Hono().route('/', keyRoutes(parts))

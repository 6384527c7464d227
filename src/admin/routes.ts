import { Hono } from 'hono'
import { type EndpointRouteParts, endpointRoutes } from './endpoints/routes.ts'
import { type KeyRouteParts, keyRoutes } from './keys/routes.ts'
import { type ModelRouteParts, modelRoutes } from './models/routes.ts'
import { type UsageRouteParts, usageRoutes } from './usage/routes.ts'
import { type UserRouteParts, userRoutes } from './users/routes.ts'

/** What the resources ask for, all of them together. */
export type AdminParts = KeyRouteParts & UserRouteParts & EndpointRouteParts & ModelRouteParts & UsageRouteParts

/** The whole management API, to be mounted under /admin/api: one folder for each resource, each with its routes and its presenter. */
export const adminRoutes = (parts: AdminParts): Hono =>
  new Hono()
    .route('/', keyRoutes(parts))
    .route('/', userRoutes(parts))
    .route('/', endpointRoutes(parts))
    .route('/', modelRoutes(parts))
    .route('/', usageRoutes(parts))

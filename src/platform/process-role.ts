/** What a process of the shop does: everything, or one part of it beside others. */
export type Role = 'all' | 'api' | 'projections' | 'bridge'
export const roles: readonly Role[] = ['all', 'api', 'projections', 'bridge']

export const servesHttp = (role: Role): boolean => role === 'all' || role === 'api'
export const projects = (role: Role): boolean => role === 'all' || role === 'projections'
export const bridges = (role: Role): boolean => role === 'all' || role === 'bridge'

/** What a process of the shop does: everything, or one part of it beside others. */
export type ProcessRole = 'all' | 'api' | 'projections' | 'bridge'
export const roles: readonly ProcessRole[] = ['all', 'api', 'projections', 'bridge']

export const servesHttp = (role: ProcessRole): boolean => role === 'all' || role === 'api'
export const projects = (role: ProcessRole): boolean => role === 'all' || role === 'projections'
export const bridges = (role: ProcessRole): boolean => role === 'all' || role === 'bridge'

/** What an account does in the marketplace, and its number inside a registration. */
export const ROLES = { validator: 1, mart: 2, owner: 3, serviceNode: 4, storage: 5 } as const;
export type Role = keyof typeof ROLES;

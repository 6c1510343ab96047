/** Every path of the admin endpoint and what may be done with it, as data. */

/** `{id}` stands for a member's number. */
export interface AdminRoute {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
}

/** In the order of README.md. */
export const ADMIN_ROUTES: readonly AdminRoute[] = [
  { method: "GET", path: "/" },
  { method: "GET", path: "/healthz" },
  { method: "GET", path: "/readyz" },
  { method: "GET", path: "/metrics" },
  { method: "GET", path: "/api/v1/status" },
  { method: "GET", path: "/api/v1/cluster" },
  { method: "POST", path: "/api/v1/members" },
  { method: "DELETE", path: "/api/v1/members/{id}" },
  { method: "POST", path: "/api/v1/members/{id}/promote" },
  { method: "POST", path: "/api/v1/members/{id}/demote" },
  { method: "POST", path: "/api/v1/members/{id}/move" },
  { method: "POST", path: "/api/v1/transfer" },
  { method: "POST", path: "/api/v1/snapshot" },
  { method: "GET", path: "/api/v1/backup" },
];

/** The method that a path takes; undefined for a path that is not there. */
export function methodOf(path: string): string | undefined {
  return ADMIN_ROUTES.find((route) => isOf(route.path, path))?.method;
}

function isOf(pattern: string, path: string): boolean {
  const [wanted, given] = [pattern.split("/"), path.split("/")];
  return wanted.length === given.length &&
    wanted.every((part, at) => part === given[at] || (part === "{id}" && given[at] !== ""));
}

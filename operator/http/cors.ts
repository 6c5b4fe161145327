/** Whatever can be read here, pages of other places may read too. There are no cookies that could be misused. */
export const CORS_HEADERS = { "access-control-allow-origin": "*" };

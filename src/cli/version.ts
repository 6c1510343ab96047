/** The release. The formats on disk and on the wire carry versions of their own. */
export const VERSION = "0.1.0";

/** Name of a single box among the hosts: there is no other. */
export const BOX_NAME = "box";

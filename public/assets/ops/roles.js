/** @import { OpsSession } from "../../api-types.ts" */

/** @typedef {OpsSession["role"]} Role */

/** @type {readonly Role[]} */
const order = ["viewer", "operator", "admin"];
/** What each role may do, in a few words. */
export const roleWords = {
  viewer: "looks",
  operator: "acts",
  admin: "manages operators, too",
};

/**
 * Whether a role may do what needs `needed`.
 * @param {string | undefined} role  A role that this page does not know may nothing.
 * @param {Role} needed
 */
export function allows(role, needed) {
  return order.findIndex((each) => each === role) >= order.indexOf(needed);
}

/**
 * Whether the operator who is logged in may do what needs a role.
 * @param {Role} needed
 */
export function may(needed) {
  return allows(document.body.dataset.role, needed);
}

/** Why acts are not offered to a viewer. */
export const whyNot = "Your role is viewer. Acting needs the role operator: ask an admin.";

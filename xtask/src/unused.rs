//! Takes code out of the WebAssembly that the compiler must keep and nothing calls.
//!
//! leptos can hydrate a page at once or asynchronously, for pages that come in pieces; the console's page is hydrated at
//! once. An erased view carries both ways as function pointers, so that no compiler can tell that the second is dead.
//! It is a tenth of the module.

use crate::Result;
use walrus::{FunctionBuilder, FunctionKind, Module};

/// The name of every asynchronous hydration, in either of rustc's symbol manglings.
const NAME: &str = "13hydrate_async";
/// Functions of the same name but with another caller: a state that is never made is never dropped either, yet its drop
/// may have been folded into one that is.
const KEPT: &str = "drop_in_place";
/// A shorter function may have been folded with an equal one that is called: bytes of code.
const FOLDABLE: usize = 16;

/// Puts a trap into the place of each function that hydrates asynchronously, and returns the smaller module and how many
/// functions it was. What only they called goes when the bindings are made. Were one called after all, the browser would
/// name it as `unreachable`.
///
/// # Errors
/// When the module cannot be read.
pub fn without_async_hydration(module: &[u8]) -> Result<(Vec<u8>, usize)> {
    let mut module = Module::from_buffer(module).map_err(|e| format!("the frontend's module: {e:#}"))?;
    let unused: Vec<_> = module
        .funcs
        .iter_local()
        .filter(|(id, function)| {
            let name = module.funcs.get(*id).name.as_deref().unwrap_or_default();
            name.contains(NAME) && !name.contains(KEPT) && function.size() > FOLDABLE as u64
        })
        .map(|(id, _)| id)
        .collect();
    for id in &unused {
        let (parameters, results) = module.types.params_results(module.funcs.get(*id).ty());
        let (parameters, results) = (parameters.to_vec(), results.to_vec());
        let arguments = parameters.iter().map(|kind| module.locals.add(*kind)).collect();
        let mut trap = FunctionBuilder::new(&mut module.types, &parameters, &results);
        trap.func_body().unreachable();
        module.funcs.get_mut(*id).kind = FunctionKind::Local(trap.local_func(arguments));
    }
    Ok((module.emit_wasm(), unused.len()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use walrus::{FunctionId, ValType, ir::BinaryOp};

    /// A function that counts up so many times, to have a size.
    fn function(module: &mut Module, name: &str, steps: i32) -> FunctionId {
        let argument = module.locals.add(ValType::I32);
        let mut builder = FunctionBuilder::new(&mut module.types, &[ValType::I32], &[ValType::I32]);
        builder.name(name.to_owned());
        let mut body = builder.func_body();
        body.local_get(argument);
        for step in 0..steps {
            body.i32_const(step).binop(BinaryOp::I32Add);
        }
        let id = builder.finish(vec![argument], &mut module.funcs);
        module.exports.add(name, id);
        id
    }

    #[test]
    fn only_asynchronous_hydration_becomes_a_trap() {
        let mut module = Module::default();
        let names = [
            ("_ZN3any7IntoAny13hydrate_async28closure17h01E", 40),
            ("_ZN3any7IntoAny13hydrate_async17h02E", 1),
            ("_ZN3any7IntoAny7hydrate17h03E", 40),
            ("_RINvNtC4core3ptr13drop_in_placeNC13hydrate_asyncE", 40),
        ];
        for (name, steps) in names {
            function(&mut module, name, steps);
        }
        let (smaller, replaced) = without_async_hydration(&module.emit_wasm()).unwrap();
        assert_eq!(replaced, 1);
        let module = Module::from_buffer(&smaller).unwrap();
        let size = |name: &str| {
            let id = module.funcs.by_name(name).unwrap();
            module.funcs.get(id).kind.unwrap_local().size()
        };
        let sizes = names.map(|(name, _)| size(name));
        assert!(
            sizes[0] <= 2 && sizes[1..].iter().all(|size| *size > 2),
            "{sizes:?}"
        );
    }

    #[test]
    fn what_is_no_module_is_an_error() {
        assert!(
            without_async_hydration(b"not a module")
                .unwrap_err()
                .contains("frontend")
        );
    }
}

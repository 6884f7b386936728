//! Takes code out of the WebAssembly that the compiler must keep and nothing calls.
//!
//! leptos can hydrate a page at once or asynchronously, for pages that come in pieces; the console's page is hydrated at
//! once, when its part is there. An erased view carries both ways as function pointers, so that no compiler can tell that
//! the second is dead. It is some 6 % of the module's code. An erased route carries likewise how it is listed, which only the
//! server does.

use crate::Result;
use crate::sections::{self, CODE, CUSTOM, failed, place};
use std::collections::HashSet;
use std::ops::Range;
use wasm_encoder::Encode;
use wasmparser::{BinaryReader, Parser, Payload, RelocAddendKind, RelocationEntry, TypeRef};

/// What the symbols contain: of an asynchronous hydration's body, and of what lists the routes. Functions inside these have
/// longer names and are left alone: most are short, and the compiler may have folded one with an equal one that is called.
/// A compiler that writes symbols in another way gets a larger module and no harm.
const BODIES: [&str; 2] = [
    "13hydrate_async28_$u7b$$u7b$closure$u7d$$u7d$17h",
    "21into_any_nested_route15generate_routes17h",
];

const UNREACHABLE: u8 = 0x00;
const NOP: u8 = 0x01;
const END: u8 = 0x0b;

/// Puts a trap into the place of each function that hydrates asynchronously or lists routes, and returns the module and how many functions
/// it was. What only they called goes when the module is split and bound. Were one called after all, the browser would
/// name it as `unreachable`.
///
/// The trap is written over the body, and the body's relocations are struck out: the linker's other relocations stay right,
/// and the splitter needs them.
///
/// # Errors
/// When the module cannot be read.
pub fn without_unused(module: &[u8]) -> Result<(Vec<u8>, usize)> {
    let unused: HashSet<u32> = sections::names(module)?
        .into_iter()
        .filter(|(_, name)| BODIES.iter().any(|body| name.contains(body)))
        .map(|(function, _)| function)
        .collect();
    let bodies = bodies(module, &unused)?;
    let mut sections = sections::read(module)?;
    let Some(code) = sections.iter().position(|section| section.id == CODE) else {
        return Ok((module.to_vec(), 0));
    };
    let start = sections[code].start;
    let bodies: Vec<Range<usize>> = bodies
        .into_iter()
        .map(|body| body.start - start..body.end - start)
        .collect();
    let bytes = sections[code].contents.to_mut();
    for body in &bodies {
        let [locals, trap, rest @ .., end] = &mut bytes[body.clone()] else {
            continue;
        };
        *locals = 0;
        *trap = UNREACHABLE;
        rest.fill(NOP);
        *end = END;
    }
    for section in &mut sections {
        if section.id == CUSTOM
            && let Some(kept) = relocations(&section.contents, code, &bodies)?
        {
            section.contents = kept.into();
        }
    }
    Ok((sections::write(&sections), bodies.len()))
}

/// Where the bodies of some functions lie in the module.
fn bodies(module: &[u8], functions: &HashSet<u32>) -> Result<Vec<Range<usize>>> {
    let mut next = 0;
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(failed)? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    if let TypeRef::Func(_) = import.map_err(failed)?.ty {
                        next += 1;
                    }
                }
            }
            Payload::CodeSectionEntry(body) => {
                if functions.contains(&next) {
                    let range = body.range();
                    found.push(place(range.start)?..place(range.end)?);
                }
                next += 1;
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The contents of a section of relocations in the code without those inside some bodies; `None` for another section.
fn relocations(contents: &[u8], code: usize, bodies: &[Range<usize>]) -> Result<Option<Vec<u8>>> {
    let mut reader = BinaryReader::new(contents, 0);
    let name = reader.read_string().map_err(failed)?;
    let header = place(reader.original_position())?;
    if !name.starts_with("reloc.") {
        return Ok(None);
    }
    let relocations = wasmparser::RelocSectionReader::new(reader).map_err(failed)?;
    if usize::try_from(relocations.section_index()).map_err(failed)? != code {
        return Ok(None);
    }
    let mut kept: Vec<RelocationEntry> = Vec::new();
    for entry in relocations.entries() {
        let entry = entry.map_err(failed)?;
        let at = place(entry.offset.into())?;
        if !bodies.iter().any(|body| body.contains(&at)) {
            kept.push(entry);
        }
    }
    let mut bytes = contents[..header].to_vec();
    relocations.section_index().encode(&mut bytes);
    kept.len().encode(&mut bytes);
    for entry in &kept {
        bytes.push(entry.ty as u8);
        entry.offset.encode(&mut bytes);
        entry.index.encode(&mut bytes);
        if entry.ty.addend_kind() != RelocAddendKind::None {
            entry.addend.encode(&mut bytes);
        }
    }
    Ok(Some(bytes))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use wasm_encoder::{
        CodeSection, CustomSection, EntityType, FunctionSection, ImportSection, Module, TypeSection,
    };

    const DEAD: &str = "_ZN3any7IntoAny13hydrate_async28_$u7b$$u7b$closure$u7d$$u7d$17h01E";
    const ALIVE: [&str; 5] = [
        "_ZN3any7IntoAny7hydrate28_$u7b$$u7b$closure$u7d$$u7d$17h02E",
        "_ZN3any7IntoAny13hydrate_async17h03E",
        "_ZN3any7IntoAny13hydrate_async28_$u7b$$u7b$closure$u7d$$u7d$7inner_117h04E",
        "_ZN4core3ptr9drop_in_place$LT$any..IntoAny..hydrate_async..$u7b$$u7b$closure$u7d$$u7d$$GT$17h05E",
        "_RNCNvXs_NtC3any7IntoAny13hydrate_async0B4_",
    ];
    /// No locals, a call of the imported function with its number as long as the linker writes it, and the end.
    const BODY: [u8; 8] = [0, 0x10, 0x80, 0x80, 0x80, 0x80, 0, END];
    /// Where the code's bodies begin, after their number and one length.
    const FIRST: u32 = 2;
    const STEP: u32 = 9;

    /// A module as the linker leaves it: an imported function, one body for each name that calls it, and the relocations.
    fn linked(names: &[&str]) -> Vec<u8> {
        let count = u32::try_from(names.len()).unwrap();
        let (mut types, mut imports) = (TypeSection::new(), ImportSection::new());
        types.ty().function([], []);
        imports.import("env", "called", EntityType::Function(0));
        let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
        let (mut map, mut relocations) = (wasm_encoder::NameMap::new(), Vec::new());
        3u32.encode(&mut relocations);
        count.encode(&mut relocations);
        for (index, name) in (0..).zip(names) {
            functions.function(0);
            code.raw(&BODY);
            map.append(index + 1, name);
            relocations.push(wasmparser::RelocationType::FunctionIndexLeb as u8);
            (FIRST + index * STEP + 2).encode(&mut relocations);
            0u32.encode(&mut relocations);
        }
        let mut section = wasm_encoder::NameSection::new();
        section.functions(&map);
        let mut module = Module::new();
        module
            .section(&types)
            .section(&imports)
            .section(&functions)
            .section(&code);
        module.section(&CustomSection {
            name: "reloc.CODE".into(),
            data: relocations.into(),
        });
        module.section(&section);
        module.finish()
    }

    /// The bodies, and where relocations are, in the code.
    fn content(module: &[u8]) -> (Vec<Vec<u8>>, Vec<u32>) {
        wasmparser::validate(module).unwrap();
        let (mut bodies, mut places) = (Vec::new(), Vec::new());
        for payload in Parser::new(0).parse_all(module) {
            match payload.unwrap() {
                Payload::CodeSectionEntry(body) => bodies.push(body.as_bytes().to_vec()),
                Payload::CustomSection(custom) => {
                    if let wasmparser::KnownCustom::Reloc(reader) = custom.as_known() {
                        assert_eq!(reader.section_index(), 3);
                        places.extend(reader.entries().into_iter().map(|entry| entry.unwrap().offset));
                    }
                }
                _ => {}
            }
        }
        (bodies, places)
    }

    #[test]
    fn only_asynchronous_hydration_becomes_a_trap_and_loses_its_relocations() {
        let names: Vec<&str> = ALIVE[..2]
            .iter()
            .copied()
            .chain([DEAD])
            .chain(ALIVE[2..].iter().copied())
            .collect();
        let before = linked(&names);
        let (smaller, replaced) = without_unused(&before).unwrap();
        assert_eq!(replaced, 1);
        let ((_, all), (bodies, kept)) = (content(&before), content(&smaller));
        for (index, (name, body)) in names.iter().zip(&bodies).enumerate() {
            if *name == DEAD {
                assert_eq!(body[..], [0, UNREACHABLE, NOP, NOP, NOP, NOP, NOP, END]);
                assert!(!kept.contains(&all[index]));
            } else {
                assert_eq!(body[..], BODY, "{name}");
                assert!(kept.contains(&all[index]), "{name}");
            }
        }
        assert_eq!(kept.len() + 1, all.len());
    }

    #[test]
    fn a_module_with_nothing_of_it_stays_as_it_is() {
        let module = linked(&ALIVE);
        assert_eq!(content(&without_unused(&module).unwrap().0), content(&module));
    }

    #[test]
    fn what_is_no_module_is_an_error() {
        assert!(without_unused(b"not a module").unwrap_err().contains("frontend"));
    }
}

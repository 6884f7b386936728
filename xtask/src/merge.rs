//! Several pieces that the splitter wrote as one module: one file to fetch, and one window for the compression.
//!
//! A piece imports the memory, the table of functions and the stack pointer, has the same types as all others, and exports
//! nothing: what others call of it lies in the table. So only its functions and the few imported globals are counted anew.

use crate::sections::failed;
use crate::{Result, sections};
use std::convert::Infallible;
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    CodeSection, DataSection, ElementSection, FunctionSection, ImportSection, Module, RawSection,
};
use wasmparser::{Data, DataKind, Parser, Payload, TypeRef};

/// The kind of the types.
const TYPES: u8 = 1;

/// How one piece's functions and globals are counted in the whole.
#[derive(Default)]
struct Place {
    functions: u32,
    globals: Vec<u32>,
}

impl Reencode for Place {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> std::result::Result<u32, Error<Infallible>> {
        Ok(self.functions + function)
    }

    fn global_index(&mut self, global: u32) -> std::result::Result<u32, Error<Infallible>> {
        let index = usize::try_from(global).ok();
        let found = index.and_then(|index| self.globals.get(index)).copied();
        // A piece has no globals of its own; the browser would refuse the module.
        Ok(found.unwrap_or(u32::MAX))
    }
}

/// One module that does what these do, each after the other.
///
/// # Errors
/// When one of them is not what the splitter writes.
pub fn merge(pieces: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut whole = Whole::default();
    for piece in pieces {
        whole.add(piece)?;
    }
    Ok(whole.finish())
}

/// The segments of a piece that are not empty, with their addresses.
///
/// # Errors
/// When it is not what the splitter writes.
pub fn segments(piece: &[u8]) -> Result<Vec<Data<'_>>> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(piece) {
        if let Payload::DataSection(data) = payload.map_err(failed)? {
            for segment in data {
                found.push(segment.map_err(failed)?);
            }
        }
    }
    found.retain(|segment| !segment.data.is_empty() && matches!(segment.kind, DataKind::Active { .. }));
    Ok(found)
}

#[derive(Default)]
struct Whole {
    types: Vec<u8>,
    names: Vec<(String, String)>,
    imports: ImportSection,
    globals: Vec<(String, u32)>,
    functions: FunctionSection,
    elements: ElementSection,
    code: CodeSection,
    data: DataSection,
}

impl Whole {
    fn add(&mut self, piece: &[u8]) -> Result<()> {
        let mut place = Place {
            functions: self.functions.len(),
            globals: Vec::new(),
        };
        for section in sections::read(piece)? {
            if section.id == TYPES {
                if self.types.is_empty() {
                    self.types = section.contents.to_vec();
                } else if self.types != *section.contents {
                    return Err(failed("two pieces of it have other types"));
                }
            }
        }
        for payload in Parser::new(0).parse_all(piece) {
            match payload.map_err(failed)? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        self.import(import.map_err(failed)?, &mut place)?;
                    }
                }
                Payload::FunctionSection(functions) => {
                    for kind in functions {
                        self.functions.function(kind.map_err(failed)?);
                    }
                }
                Payload::ElementSection(elements) => {
                    utils::parse_element_section(&mut place, &mut self.elements, elements).map_err(failed)?;
                }
                Payload::CodeSectionEntry(body) => {
                    utils::parse_function_body(&mut place, &mut self.code, body).map_err(failed)?;
                }
                Payload::ExportSection(exports) if exports.count() > 0 => {
                    return Err(failed("a piece of it exports something"));
                }
                _ => {}
            }
        }
        for segment in segments(piece)? {
            utils::parse_data(&mut place, &mut self.data, segment).map_err(failed)?;
        }
        Ok(())
    }

    fn import(&mut self, import: wasmparser::Import<'_>, place: &mut Place) -> Result<()> {
        if let TypeRef::Func(_) = import.ty {
            return Err(failed(format!(
                "a piece of it imports the function {}",
                import.name
            )));
        }
        let name = (import.module.to_owned(), import.name.to_owned());
        if !self.names.contains(&name) {
            let kind = wasm_encoder::EntityType::try_from(import.ty).map_err(|e| failed(format!("{e:?}")))?;
            self.imports.import(import.module, import.name, kind);
            if let TypeRef::Global(_) = import.ty {
                let next = u32::try_from(self.globals.len()).map_err(failed)?;
                self.globals.push((import.name.to_owned(), next));
            }
            self.names.push(name);
        }
        if let TypeRef::Global(_) = import.ty {
            let known = self.globals.iter().find(|(known, _)| known == import.name);
            place.globals.extend(known.map(|(_, index)| *index));
        }
        Ok(())
    }

    fn finish(self) -> Vec<u8> {
        let mut module = Module::new();
        module
            .section(&RawSection {
                id: TYPES,
                data: &self.types,
            })
            .section(&self.imports)
            .section(&self.functions)
            .section(&self.elements)
            .section(&self.code)
            .section(&self.data);
        module.finish()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use wasm_encoder::{
        ConstExpr, Elements, EntityType, Function, GlobalType, MemoryType, RefType, TableType, TypeSection,
        ValType,
    };
    use wasmparser::{ElementItems, Operator};

    /// A piece with one function, which reads a global, in the table at `slot`, and some data.
    fn piece(globals: &[&str], read: u32, slot: i32, data: &str) -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], [ValType::I32]);
        let mut imports = ImportSection::new();
        let memory = MemoryType {
            minimum: 1,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        };
        let table = TableType {
            element_type: RefType::FUNCREF,
            minimum: 9,
            maximum: None,
            table64: false,
            shared: false,
        };
        let global = GlobalType {
            val_type: ValType::I32,
            mutable: true,
            shared: false,
        };
        imports.import("__wasm_split", "memory", EntityType::Memory(memory));
        imports.import(
            "__wasm_split",
            "__indirect_function_table",
            EntityType::Table(table),
        );
        for name in globals {
            imports.import("__wasm_split", name, EntityType::Global(global));
        }
        let (mut functions, mut code, mut elements, mut segments) = (
            FunctionSection::new(),
            CodeSection::new(),
            ElementSection::new(),
            DataSection::new(),
        );
        functions.function(0);
        let mut body = Function::new([]);
        body.instructions().global_get(read).end();
        code.function(&body);
        elements.active(
            None,
            &ConstExpr::i32_const(slot),
            Elements::Functions([0].as_slice().into()),
        );
        segments.active(0, &ConstExpr::i32_const(0), []);
        segments.active(0, &ConstExpr::i32_const(slot * 100), data.bytes());
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&functions);
        module.section(&elements).section(&code).section(&segments);
        module.finish()
    }

    #[test]
    fn two_pieces_become_one_module_that_does_what_both_did() {
        let one = piece(&["__stack_pointer"], 0, 1, "one");
        let two = piece(&["__other", "__stack_pointer"], 1, 2, "two");
        let whole = merge(&[one, two]).unwrap();
        wasmparser::validate(&whole).unwrap();
        let (mut reads, mut slots) = (Vec::new(), Vec::new());
        for payload in Parser::new(0).parse_all(&whole) {
            match payload.unwrap() {
                Payload::CodeSectionEntry(body) => {
                    for operator in body.get_operators_reader().unwrap() {
                        if let Operator::GlobalGet { global_index } = operator.unwrap() {
                            reads.push(global_index);
                        }
                    }
                }
                Payload::ElementSection(elements) => {
                    for element in elements {
                        if let ElementItems::Functions(functions) = element.unwrap().items {
                            slots.extend(functions.into_iter().map(std::result::Result::unwrap));
                        }
                    }
                }
                _ => {}
            }
        }
        assert_eq!(reads, [0, 0], "both read the stack pointer");
        assert_eq!(slots, [0, 1], "each slot holds its own function");
        let data = segments(&whole).unwrap();
        assert_eq!(
            data.iter().map(|segment| segment.data).collect::<Vec<_>>(),
            [b"one", b"two"]
        );
    }

    #[test]
    fn a_piece_that_is_not_of_the_splitter_is_an_error() {
        let mut other = Module::new();
        let mut types = TypeSection::new();
        types.ty().function([], []);
        other.section(&types);
        let error = merge(&[piece(&[], 0, 1, ""), other.finish()]).unwrap_err();
        assert!(error.contains("other types"), "{error}");
    }
}
